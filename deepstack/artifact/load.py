"""Opening an artifact: verified whole before any pickle is read. The only module that opens a pickle."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from deepstack.artifact.manifest import Manifest, altered, verify_manifest
from deepstack.calibration import Calibration
from deepstack.config.read import config_from_tree
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError


@dataclass(frozen=True)
class Artifact:
    """A verified artifact; the network itself is built and given its weights by `deepstack.artifact.model`.

    Attributes:
        folder: where it stands; never written to.
        manifest: the verified record.
        config: the run's config.
        features: names of the model's inputs, in order.
        scalers: input → its fitted scaler.
        thresholds: of each output, where a position is taken from.
    """

    folder: Path
    manifest: Manifest
    config: RunConfig
    features: tuple[str, ...]
    scalers: dict[str, Any]
    thresholds: tuple[float, ...]

    @property
    def priors(self) -> np.ndarray | None:
        """[outputs, classes], shares that balanced training has hidden; None when it was not balanced."""
        priors = self.manifest.data["priors"]
        return None if priors is None else np.array(priors)

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """Of the probabilities, one an output; none where nothing was calibrated."""
        return tuple(Calibration.of(tree) for tree in self.manifest.data.get("calibrations", ()))

    def path(self, suffix: str) -> Path:
        """`<folder>/<config name>_<suffix>`, as in `path("model.h5")`."""
        return self.folder / f"{self.config.name}_{suffix}"


def open_artifact(folder: Path) -> Artifact:
    """Verify every file, then read config, features, scaler and threshold. TensorFlow is not needed.

    Raises:
        ArtifactError: a file is missing, added or changed, or does not hold what its name says.
        ConfigError: the config does not fit this version of deepstack.
    """
    manifest = verify_manifest(folder)
    config = config_from_tree(manifest.config, str(folder / "manifest.json"))
    stored = load_pickle(folder, manifest, f"{config.name}_threshold.pkl")
    try:
        thresholds = tuple(float(value) for value in np.atleast_1d(stored))
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            str(folder / f"{config.name}_threshold.pkl"),
            expected="one number an output",
            received=type(stored).__name__,
            remedy="the run again",
        ) from error
    scaler = load_pickle(folder, manifest, f"{config.name}_scaler.pkl")
    scalers = scaler if isinstance(scaler, dict) else {"features": scaler}
    return Artifact(folder, manifest, config, manifest.features, scalers, thresholds)


def load_pickle(folder: Path, manifest: Manifest, name: str) -> Any:
    """The object of a pickle whose bytes are those the manifest knows.

    The bytes are read once, hashed and opened from memory, so a file swapped after `verify_manifest` is refused too.

    Raises:
        ArtifactError: the manifest does not list the file, or its bytes differ.
    """
    path = folder / name
    if name not in manifest.files:
        raise ArtifactError(
            str(path),
            expected="a pickle the run wrote",
            received="a name the manifest does not list",
            remedy="a fresh copy",
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            str(path), expected="a readable file", received=str(error.strerror), remedy="a fresh copy of the artifact"
        ) from error
    if hashlib.sha256(data).hexdigest() != manifest.files[name]:
        raise altered(path)
    return joblib.load(io.BytesIO(data))
