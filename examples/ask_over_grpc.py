"""Ask a server of models for one row over gRPC, with tensorflow-serving-api alone; deepstack need not be installed.

python examples/ask_over_grpc.py localhost:8500 NAME        # TensorFlow Serving or `deepstack serve` alike
"""

import sys

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


def main(address: str, name: str) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(address))

    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = name
    answer = stub.GetModelMetadata(metadata, timeout=10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(signatures)
    inputs = signatures.signature_def["serving_default"].inputs

    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    for key, info in inputs.items():
        # Zeros stand in for yours: unscaled features in the order of <name>_features.csv, bars from the oldest.
        shape = [1, *(dim.size for dim in info.tensor_shape.dim[1:])]
        dtype = tf.as_dtype(info.dtype).as_numpy_dtype
        request.inputs[key].CopyFrom(tf.make_tensor_proto(np.zeros(shape, dtype)))
    answer = stub.Predict(request, timeout=10)
    print(f"model {answer.model_spec.name} version {answer.model_spec.version.value}")
    for key, tensor in answer.outputs.items():
        print(key, tf.make_ndarray(tensor)[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
