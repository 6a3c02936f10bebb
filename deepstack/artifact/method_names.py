"""The method a signature answers: TensorFlow writes `predict` into every one, TensorFlow Serving asks for two others."""

from collections.abc import Mapping
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint

from deepstack.artifact.atomic import write_atomic


def write_method_names(folder: Path, methods: Mapping[str, str]) -> None:
    """Rewrite `saved_model.pb` with the methods of some signatures, and its fingerprint.

    Args:
        folder: a SavedModel.
        methods: signature → method, such as `tensorflow/serving/classify`.

    Raises:
        ArtifactError: the disk is full or read-only; the file stays as it was.
    """
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    (graph,) = saved.meta_graphs
    for signature, method in methods.items():
        graph.signature_def[signature].method_name = method
    write_atomic(file, lambda part: part.write_bytes(saved.SerializeToString(deterministic=True)))
    write_fingerprint(str(folder))
