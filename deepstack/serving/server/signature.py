"""What a signature takes and gives: requests in both protocols become its arrays, its arrays become answers."""

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from deepstack.serving.server.frames import Arrays
from deepstack.serving.server.refusal import Refusal, invalid

DEFAULT = "serving_default"
STRING_BYTES = 64
"""What a string takes in memory, an empty one too."""
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def signature_of(signatures: Mapping[str, SignatureDef], name: str, method: str | None = None) -> SignatureDef:
    """A signature by name.

    Args:
        method: it must be made for; any by default.

    Raises:
        Refusal: FAILED_PRECONDITION where there is none, INVALID_ARGUMENT where there is none for this method.
    """
    if name not in signatures:
        if method is not None:
            raise invalid(f"No signature was found with the name: {name}")
        raise Refusal(StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    found = signatures[name]
    if method is not None and found.method_name != method:
        raise invalid(
            f"Expected {method.rpartition('/')[2]} signature method_name to be {method}. Was: {found.method_name}"
        )
    return found


def from_protos(
    signature: SignatureDef, tensors: Mapping[str, tensor_pb2.TensorProto], most_bytes: int
) -> tuple[Arrays, int | None]:
    """The inputs of a gRPC request, and how many rows they have; None where they have no batch size in common.

    Args:
        most_bytes: of an input: a short message may say a large shape and one value for all of it.

    Raises:
        Refusal: INVALID_ARGUMENT names the input that is missing, unknown, or of another type or shape.
    """
    _require_names(signature, tensors)
    arrays = {}
    for name, info in signature.inputs.items():
        tensor = tensors[name]
        if tensor.dtype != info.dtype:
            raise invalid(f"input {name}: expected {_dtype(info).name}, received {_name_of(tensor.dtype)}")
        dtype = _dtype(info).as_numpy_dtype
        shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
        if any(size < 0 for size in shape):
            raise invalid(f"input {name}: expected a shape, received {list(shape)}")
        _require_shape(name, info, shape)
        size = math.prod(shape) * (STRING_BYTES if dtype is object else np.dtype(dtype).itemsize)
        if size > most_bytes:
            raise invalid(f"input {name}: expected {most_bytes} bytes at most, received {list(shape)}, that is {size}")
        if tensor.tensor_content and dtype is not object:
            if len(tensor.tensor_content) != size:
                raise invalid(f"input {name}: {len(tensor.tensor_content)} bytes do not make {list(shape)}")
            arrays[name] = np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
        else:
            arrays[name] = _made(name, tensor)
    return arrays, _rows(arrays)


def from_json(signature: SignatureDef, values: Mapping[str, Any]) -> tuple[Arrays, int | None]:
    """The inputs of a REST request in columns, and how many rows they have; None as in `from_protos`.

    Raises:
        Refusal: INVALID_ARGUMENT names the input.
    """
    _require_names(signature, values)
    arrays = {}
    for name, info in signature.inputs.items():
        dtype = _dtype(info)
        try:
            if dtype == tf.string:
                array = np.array(values[name], object)
                if not all(isinstance(item, bytes | str) for item in array.ravel()):
                    raise ValueError("strings or base64 expected")
                items = [item.encode() if isinstance(item, str) else item for item in array.ravel()]
                filled = np.empty(len(items), object)
                filled[:] = items
                array = filled.reshape(array.shape)
            else:
                plain = np.array(values[name])
                wanted = "b" if dtype.is_bool else "iu" if dtype.is_integer else "fiu"
                if plain.size and plain.dtype.kind not in wanted:
                    raise ValueError(f"{'true or false' if dtype.is_bool else 'numbers'} for {dtype.name} expected")
                with np.errstate(over="ignore"):
                    array = plain.astype(dtype.as_numpy_dtype)
                if dtype.is_integer and not np.array_equal(array, plain):
                    raise ValueError(f"from {dtype.min} to {dtype.max}")
        except (ValueError, TypeError, OverflowError) as error:
            raise invalid(f"input {name}: expected {dtype.name} values of one shape ({str(error)[:100]})") from error
        _require_shape(name, info, array.shape)
        arrays[name] = array
    return arrays, _rows(arrays)


def answers_by_row(signature: SignatureDef) -> bool:
    """Whether every output may have an item a row: others cannot be cut up again once requests were joined."""
    shapes = [info.tensor_shape for info in signature.outputs.values()]
    return all(shape.unknown_rank or (shape.dim and shape.dim[0].size == -1) for shape in shapes)


def to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """An output as gRPC sends it."""
    if array.dtype == object:
        return tf.make_tensor_proto(array, tf.string)
    found = tensor_pb2.TensorProto(
        dtype=tf.as_dtype(array.dtype).as_datatype_enum, tensor_content=np.ascontiguousarray(array).tobytes()
    )
    for size in array.shape:
        found.tensor_shape.dim.add(size=size)
    return found


def to_json(name: str, array: np.ndarray) -> Any:
    """An output as REST sends it: as base64 bytes that are no text, and all of one whose name ends with `_bytes`.

    Raises:
        Refusal: INVALID_ARGUMENT for complex numbers, which JSON does not know.
    """
    if array.dtype.kind == "c":
        raise invalid(f"output {name}: {array.dtype} has no JSON; ask over gRPC")
    if array.dtype != object:
        return array.tolist()
    if not array.ndim:
        return _text(name, array.item())
    return [to_json(name, item) if isinstance(item, np.ndarray) else _text(name, item) for item in array]


def _text(name: str, item: bytes) -> Any:
    try:
        if not name.endswith("_bytes"):
            return item.decode()
    except UnicodeDecodeError:
        pass
    return {"b64": base64.b64encode(item).decode()}


def _require_names(signature: SignatureDef, given: Mapping[str, Any]) -> None:
    expected = set(signature.inputs)
    if set(given) != expected:
        raise invalid(f"inputs: expected {', '.join(sorted(expected))}, received {', '.join(sorted(given)) or 'none'}")


def _require_shape(name: str, info: TensorInfo, shape: tuple[int, ...]) -> None:
    expected = [dim.size for dim in info.tensor_shape.dim]
    fits = len(shape) == len(expected) and all(want in (-1, have) for want, have in zip(expected, shape, strict=True))
    if not fits and not info.tensor_shape.unknown_rank:
        raise invalid(f"input {name}: expected shape {expected}, received {list(shape)}")


def _rows(arrays: Arrays) -> int | None:
    counts = {array.shape[0] if array.ndim else None for array in arrays.values()}
    if 0 in counts:
        raise invalid("one row or more expected, received none")
    return counts.pop() if len(counts) == 1 else None


def _made(name: str, tensor: tensor_pb2.TensorProto) -> np.ndarray:
    try:
        found: np.ndarray = tf.make_ndarray(tensor)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise invalid(f"input {name}: {str(error)[:200]}") from error
    if found.dtype == object and not all(isinstance(item, bytes) for item in found.ravel()):
        raise invalid(f"input {name}: expected a string for each item of {list(found.shape)}, received none")
    return found


def _dtype(info: TensorInfo) -> tf.DType:
    return tf.as_dtype(info.dtype)


def _name_of(enum: int) -> str:
    try:
        return str(tf.as_dtype(enum).name)
    except TypeError:
        return f"type {enum}"
