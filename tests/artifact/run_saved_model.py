"""Run SavedModels through TensorFlow's C API alone: no TensorFlow, Keras or deepstack in Python.

argv[1]: JSON list of {saved_model, features (.npy), input, probability, decision (tensor names), result (.npz)}.
"""

import ctypes
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

FLOAT, BOOL = 1, 10


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def load_library() -> ctypes.CDLL:
    package = Path(importlib.util.find_spec("tensorflow").origin).parent  # finds it, imports nothing
    library = ctypes.CDLL(str(next(package.glob("libtensorflow_cc.*"))), mode=ctypes.RTLD_GLOBAL)
    pointers = (
        "NewStatus NewGraph NewSessionOptions LoadSessionFromSavedModel GraphOperationByName AllocateTensor TensorData"
    )
    for name in pointers.split():
        getattr(library, f"TF_{name}").restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_Dim.restype = ctypes.c_int64
    return library


def pointer(value: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(value)


class Session:
    """A loaded SavedModel."""

    def __init__(self, library: ctypes.CDLL, folder: str) -> None:
        self.library, self.status = library, library.TF_NewStatus()
        self.graph = library.TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = pointer(library.TF_NewSessionOptions())
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

    def run(self, feed: str, values: np.ndarray, fetches: list[str]) -> list[np.ndarray]:
        library = self.library
        shape = (ctypes.c_int64 * values.ndim)(*values.shape)
        tensor = library.TF_AllocateTensor(FLOAT, shape, values.ndim, ctypes.c_size_t(values.nbytes))
        ctypes.memmove(pointer(library.TF_TensorData(pointer(tensor))), values.ctypes.data, values.nbytes)
        inputs, outputs = (Output * 1)(self.tensor(feed)), (Output * len(fetches))(*map(self.tensor, fetches))
        found = (ctypes.c_void_p * len(fetches))()
        fed = (ctypes.c_void_p * 1)(tensor)
        library.TF_SessionRun(
            pointer(self.session),
            None,
            inputs,
            fed,
            1,
            outputs,
            found,
            len(fetches),
            None,
            0,
            None,
            pointer(self.status),
        )
        self.check()
        return [self.read(result) for result in found]

    def read(self, tensor: int) -> np.ndarray:
        library = self.library
        dtype = {FLOAT: np.float32, BOOL: np.bool_}[library.TF_TensorType(pointer(tensor))]
        shape = [library.TF_Dim(pointer(tensor), axis) for axis in range(library.TF_NumDims(pointer(tensor)))]
        data = ctypes.string_at(library.TF_TensorData(pointer(tensor)), int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return np.frombuffer(data, dtype).reshape(shape).copy()


def main() -> None:
    library = load_library()
    for job in json.loads(sys.argv[1]):
        session = Session(library, job["saved_model"])
        features = np.ascontiguousarray(np.load(job["features"]), dtype=np.float32)
        probability, decision = session.run(job["input"], features, [job["probability"], job["decision"]])
        np.savez(job["result"], probability=probability, decision=decision)
    assert not {"tensorflow", "keras", "deepstack"} & set(sys.modules)


if __name__ == "__main__":
    main()
