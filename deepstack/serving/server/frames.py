"""Messages between the server and the process of a model version: a JSON head and the bytes of its arrays."""

import json
import struct
from collections.abc import Mapping
from typing import Any

import ml_dtypes  # noqa: F401 - NumPy knows its types by name then
import numpy as np

Arrays = dict[str, np.ndarray]
LENGTHS = struct.Struct("<II")
"""Of the head and of the body."""


def pack(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """One message; an array of bytes objects (dtype object) is its lengths, then its items."""
    specs: list[list[Any]] = []
    parts: list[bytes] = []
    for name, array in arrays.items():
        if array.dtype == object:
            items = [bytes(item) for item in array.ravel()]
            specs.append([name, "bytes", list(array.shape), [len(item) for item in items]])
            parts.extend(items)
        else:
            kind = array.dtype.name if array.dtype.kind == "V" else array.dtype.str  # bfloat16 has no string of its own
            specs.append([name, kind, list(array.shape), array.nbytes])
            parts.append(np.ascontiguousarray(array).tobytes())
    text = json.dumps({**head, "arrays": specs}).encode()
    body = b"".join(parts)
    return LENGTHS.pack(len(text), len(body)) + text + body


def unpack(text: bytes, body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The head and the arrays, which share the body's memory and cannot be written to."""
    head: dict[str, Any] = json.loads(text)
    arrays, place = {}, 0
    for name, dtype, shape, size in head.pop("arrays"):
        if dtype == "bytes":
            items = np.empty(len(size), object)
            for number, length in enumerate(size):
                items[number] = body[place : place + length]
                place += length
            arrays[name] = items.reshape(shape)
        else:
            count = int(np.prod(shape, dtype=np.int64))
            arrays[name] = np.frombuffer(body, np.dtype(dtype), count, place).reshape(shape)
            place += size
    return head, arrays
