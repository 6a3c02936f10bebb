"""Run SavedModels through TensorFlow's C API alone: no TensorFlow, Keras or deepstack in Python.

argv[1]: JSON list of {saved_model, config: a serialized ConfigProto in hexadecimal, calls: [{inputs: .npz by input,
feeds: input → tensor name, fetches: output → tensor name, result: .npz}]}. Byte strings are fed from arrays of kind S.
"""

import ctypes
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {1: np.float32, 3: np.int32, 9: np.int64, 10: np.bool_}
"""TF_DataType → numpy's."""
STRING, TSTRING_BYTES = 7, 24


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def load_library() -> ctypes.CDLL:
    package = Path(importlib.util.find_spec("tensorflow").origin).parent  # finds it, imports nothing
    library = ctypes.CDLL(str(next(package.glob("libtensorflow_cc.*"))), mode=ctypes.RTLD_GLOBAL)
    pointers = (
        "NewStatus NewGraph NewSessionOptions LoadSessionFromSavedModel GraphOperationByName AllocateTensor TensorData "
        "StringGetDataPointer"
    )
    for name in pointers.split():
        getattr(library, f"TF_{name}").restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_Dim.restype = ctypes.c_int64
    library.TF_StringGetSize.restype = ctypes.c_size_t
    return library


def pointer(value: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(value)


class Session:
    """A loaded SavedModel."""

    def __init__(self, library: ctypes.CDLL, folder: str, config: bytes) -> None:
        self.library, self.status = library, library.TF_NewStatus()
        self.graph = library.TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = pointer(library.TF_NewSessionOptions())
        library.TF_SetConfig(options, config, ctypes.c_size_t(len(config)), pointer(self.status))
        self.check()
        self.session = library.TF_LoadSessionFromSavedModel(
            options, None, folder.encode(), tags, 1, pointer(self.graph), None, pointer(self.status)
        )
        self.check()

    def check(self) -> None:
        if self.library.TF_GetCode(pointer(self.status)):
            raise RuntimeError(self.library.TF_Message(pointer(self.status)).decode())

    def tensor(self, name: str) -> Output:
        operation, _, index = name.partition(":")
        found = self.library.TF_GraphOperationByName(pointer(self.graph), operation.encode())
        return Output(found, int(index))

    def run(self, feeds: dict[str, np.ndarray], fetches: list[str]) -> list[np.ndarray]:
        fed = (ctypes.c_void_p * len(feeds))(*map(self.write, feeds.values()))
        inputs = (Output * len(feeds))(*map(self.tensor, feeds))
        outputs = (Output * len(fetches))(*map(self.tensor, fetches))
        found = (ctypes.c_void_p * len(fetches))()
        handed = inputs, fed, len(feeds), outputs, found, len(fetches), None, 0, None
        self.library.TF_SessionRun(pointer(self.session), None, *handed, pointer(self.status))
        self.check()
        return [self.read(result) for result in found]

    def write(self, values: np.ndarray) -> int:
        library, text = self.library, values.dtype.kind == "S"
        kind = STRING if text else next(code for code, dtype in DTYPES.items() if dtype == values.dtype)
        size = values.size * TSTRING_BYTES if text else values.nbytes
        shape = (ctypes.c_int64 * values.ndim)(*values.shape)
        tensor = library.TF_AllocateTensor(kind, shape, values.ndim, ctypes.c_size_t(size))
        data = library.TF_TensorData(pointer(tensor))
        if not text:
            ctypes.memmove(pointer(data), np.ascontiguousarray(values).ctypes.data, size)
            return tensor
        for number, value in enumerate(values.ravel().tolist()):
            place = pointer(data + number * TSTRING_BYTES)
            library.TF_StringInit(place)
            library.TF_StringCopy(place, value, ctypes.c_size_t(len(value)))
        return tensor

    def read(self, tensor: int) -> np.ndarray:
        library, kind = self.library, self.library.TF_TensorType(pointer(tensor))
        shape = [library.TF_Dim(pointer(tensor), axis) for axis in range(library.TF_NumDims(pointer(tensor)))]
        count, data = int(np.prod(shape)), library.TF_TensorData(pointer(tensor))
        if kind == STRING:
            return np.array([self.text(data + i * TSTRING_BYTES) for i in range(count)]).reshape(shape)
        dtype = DTYPES[kind]
        raw = ctypes.string_at(data, count * np.dtype(dtype).itemsize)
        return np.frombuffer(raw, dtype).reshape(shape).copy()

    def text(self, place: int) -> bytes:
        size = self.library.TF_StringGetSize(pointer(place))
        return ctypes.string_at(self.library.TF_StringGetDataPointer(pointer(place)), size)


def answer(session: Session, call: dict[str, Any]) -> None:
    inputs = np.load(call["inputs"])
    feeds = {tensor: inputs[name] for name, tensor in call["feeds"].items()}
    found = session.run(feeds, list(call["fetches"].values()))
    np.savez(call["result"], **dict(zip(call["fetches"], found, strict=True)))


def main() -> None:
    library = load_library()
    for job in json.loads(sys.argv[1]):
        session = Session(library, job["saved_model"], bytes.fromhex(job["config"]))
        for call in job["calls"]:
            answer(session, call)
    assert not {"tensorflow", "keras", "deepstack"} & set(sys.modules)


if __name__ == "__main__":
    main()
