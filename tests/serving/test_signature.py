"""What a signature takes, without a server."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from deepstack.serving.server.refusal import Refusal
from deepstack.serving.server.signature import from_json, from_protos


def taking(dtype: tf.DType, *shape: int) -> SignatureDef:
    """A signature with the input x."""
    found = SignatureDef()
    found.inputs["x"].dtype = dtype.as_datatype_enum
    for size in shape:
        found.inputs["x"].tensor_shape.dim.add(size=size)
    return found


def tensor(dtype: tf.DType, *shape: int, **values: list) -> tensor_pb2.TensorProto:
    found = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in shape:
        found.tensor_shape.dim.add(size=size)
    for name, items in values.items():
        getattr(found, name).extend(items)
    return found


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(tf.int32, -(2**31), 2**31 - 1), (tf.uint8, 0, 255), (tf.int64, -(2**63), 2**63 - 1), (tf.uint64, 0, 2**64 - 1)],
)
def test_integers_are_taken_as_they_are_or_not_at_all(dtype: tf.DType, low: int, high: int) -> None:
    signature = taking(dtype, -1)
    for value in (low, high):
        arrays, _ = from_json(signature, {"x": [value]})
        assert arrays["x"].tolist() == [value] and arrays["x"].dtype == dtype.as_numpy_dtype
    for value in (low - 1, high + 1, 2**70):
        with pytest.raises(Refusal, match="input x"):
            from_json(signature, {"x": [value]})


def test_a_value_for_all_of_a_shape_is_taken_up_to_the_limit() -> None:
    signature = taking(tf.float32, -1, 4)
    arrays, rows = from_protos(signature, {"x": tensor(tf.float32, 100, 4, float_val=[0.5])}, 1600)
    assert rows == 100 and np.all(arrays["x"] == 0.5)
    for rows in (101, 2**62, 2**63 - 1):  # the last would wrap around in 64 bits
        with pytest.raises(Refusal, match="1600 bytes at most"):
            from_protos(signature, {"x": tensor(tf.float32, rows, 4, float_val=[0.5])}, 1600)


@pytest.mark.parametrize(
    ("dtype", "values"), [(tf.string, {}), (tf.int8, {"int_val": [1000]}), (tf.string, {"float_val": [1.0]})]
)
def test_values_that_are_not_of_the_type_are_refused(dtype: tf.DType, values: dict[str, list]) -> None:
    with pytest.raises(Refusal, match="input x"):
        from_protos(taking(dtype, -1), {"x": tensor(dtype, 2, **values)}, 1600)
