"""Changes to a SavedModel that `tf.saved_model.save` has no argument for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint

from deepstack.artifact.atomic import write_atomic

Edit = Callable[[Any], None]
"""Changes a MetaGraphDef."""


def rewrite(folder: Path, *edits: Edit) -> None:
    """Rewrite `saved_model.pb`, whole or not at all, and its fingerprint.

    Args:
        folder: a SavedModel of one graph.
        edits: made in this order.

    Raises:
        ArtifactError: the disk is full or read-only; the file stays as it was.
    """
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    (graph,) = saved.meta_graphs
    for edit in edits:
        edit(graph)
    write_atomic(file, lambda part: part.write_bytes(saved.SerializeToString(deterministic=True)))
    write_fingerprint(str(folder))


def with_methods(methods: Mapping[str, str]) -> Edit:
    """Give signatures their methods, such as `tensorflow/serving/classify`: TensorFlow writes `predict` into all."""

    def edit(graph: Any) -> None:
        for signature, method in methods.items():
            graph.signature_def[signature].method_name = method

    return edit
