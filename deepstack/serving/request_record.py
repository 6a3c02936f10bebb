"""`assets.extra/deepstack.json` beside a published model: what a client needs to build its requests."""

import json
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from deepstack.artifact.load import Artifact
from deepstack.artifact.manifest import MANIFEST, sha256
from deepstack.errors import ArtifactError
from deepstack.models.inputs import BASE

RECORD = "assets.extra/deepstack.json"
SCHEMA_VERSION = 1
_COARSER = f"{BASE}_"
_TYPES = {1: "float32", 2: "float64", 3: "int32", 9: "int64", 10: "bool"}
"""TensorFlow's DataType numbers, of the types a servable of ours takes or gives."""


def request_record(artifact: Artifact) -> dict[str, Any]:
    """What `deepstack.json` holds.

    `inputs` and `outputs` are the SavedModel's own, name → `dtype` and `shape`, -1 for the batch. `window_bars` is null
    for a model that sees one bar. `thresholds` has one number an output, in the order of `outputs_named`.

    Raises:
        ArtifactError: the SavedModel has no signature `serving_default`.
    """
    config, facts = artifact.config, artifact.manifest.data
    inputs, outputs = _signature(saved_model(artifact))
    window = inputs[BASE]["shape"][1:-1]
    return {
        "schema_version": SCHEMA_VERSION,
        "artifact_sha256": artifact_sha256(artifact),
        "run": artifact.manifest.run,
        "name": config.name,
        "model": config.model.name,
        "deepstack": artifact.manifest.versions["deepstack"],
        "symbols": list(facts["symbols"]),
        "interval_s": facts["interval_s"],
        "window_bars": window[0] if window else None,
        "timeframes": [name.removeprefix(_COARSER) for name in inputs if name.startswith(_COARSER)],
        "outputs_named": ["won"] if config.labels.kind == "breakout" else list(config.labels.horizons.lengths),
        "thresholds": list(artifact.thresholds),
        "inputs": inputs,
        "outputs": outputs,
        "features": list(artifact.features),
    }


def artifact_sha256(artifact: Artifact) -> str:
    """Of the manifest, which holds that of every file: the same for copies of one artifact alone."""
    return sha256(artifact.folder / MANIFEST)


def saved_model(artifact: Artifact) -> Path:
    """Folder of the artifact's SavedModel.

    Raises:
        ArtifactError: it has none.
    """
    folder = artifact.folder / "serving" / artifact.config.name / "1"
    if not (folder / "saved_model.pb").is_file():
        raise ArtifactError(
            str(folder), expected="a SavedModel", received="none", remedy="an artifact that `deepstack run` has made"
        )
    return folder


def read_record(version: Path) -> dict[str, Any] | None:
    """The record of a published version; None where somebody else has put the model there."""
    try:
        record = json.loads((version / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _signature(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    graphs = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    signature = graphs[0].signature_def.get("serving_default") if graphs else None
    if signature is None or BASE not in signature.inputs:
        raise ArtifactError(
            str(folder / "saved_model.pb"),
            expected="a signature serving_default with an input `features`",
            received="none",
            remedy="an artifact that `deepstack run` has made",
        )
    return _tensors(signature.inputs), _tensors(signature.outputs)


def _tensors(infos: Any) -> dict[str, Any]:
    return {
        name: {
            "dtype": _TYPES.get(info.dtype, str(info.dtype)),
            "shape": [int(dim.size) for dim in info.tensor_shape.dim],
        }
        for name, info in sorted(infos.items())
    }
