"""Warm-up requests: what TensorFlow Serving replays when it loads a version, so that the first client does not wait."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf


def write_warmup(
    folder: Path, name: str, examples: Mapping[str, np.ndarray], batch_sizes: tuple[int, ...] = (1, 32)
) -> None:
    """Write `tf_serving_warmup_requests`: one request a batch size, as TensorFlow Serving replays them.

    Args:
        folder: the version's `assets.extra`; made here.
        name: the servable's name.
        examples: input → real unscaled samples, repeated where a batch needs more.
        batch_sizes: rows of each request.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for size in batch_sizes:
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = name, "serving_default"
            for key, values in examples.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(np.resize(values, (size, *values.shape[1:]))))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
