"""The files a finished run leaves for others to load, apart from the report and the manifest."""

import errno
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np

from deepstack.artifact.architecture import write_architecture
from deepstack.artifact.atomic import disk_errors
from deepstack.artifact.decision import Decision
from deepstack.artifact.export import export_saved_model
from deepstack.models.inputs import BASE

COPIES_ON_DISK = 5
"""Of the weights: `.keras` with the copy Keras makes while writing it, `.h5`, and the SavedModel with some room."""
OTHER_BYTES = 4_000_000
"""Graph, tables and warm-up requests of a network of some thousand layers."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What training and threshold choice have settled.

    Attributes:
        model: the network with its best weights.
        features: names of the columns of its inputs, in order.
        decision: scaling, head, priors and thresholds.
        shows: further output of the servable → layer of the network.
        seed: of the servable's dropout masks.
    """

    model: keras.Model
    features: tuple[str, ...]
    decision: Decision
    shows: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


def save_files(
    folder: Path,
    name: str,
    trained: Trained,
    feature_rows: Sequence[dict[str, Any]],
    examples: Mapping[str, np.ndarray],
) -> int:
    """Write model, features, scaler, threshold, architecture and the servable version 1.

    Args:
        folder: the run's workspace.
        name: prefix of the files and name of the servable.
        trained: what to write.
        feature_rows: one dict a feature, for `<name>_features.csv`.
        examples: input → unscaled samples, for the servable's warm-up.

    Returns:
        Number of counted layers.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    import pandas as pd

    with disk_errors(folder):
        _require_room(folder, 4 * trained.model.count_params())
        trained.model.save(folder / "model.keras")
        with _legacy_format_accepted():
            trained.model.save(folder / f"{name}_model.h5", include_optimizer=False)
        pd.DataFrame(feature_rows).to_csv(folder / f"{name}_features.csv", index=False)
        scalers, thresholds = trained.decision.scalers, trained.decision.thresholds
        joblib.dump(scalers[BASE] if len(scalers) == 1 else dict(scalers), folder / f"{name}_scaler.pkl")
        joblib.dump(thresholds[0] if len(thresholds) == 1 else list(thresholds), folder / f"{name}_threshold.pkl")
        layers = write_architecture(folder / f"{name}_architecture.csv", trained.model)
        servable = folder / "serving" / name / "1"
        export_saved_model(
            servable, trained.model, trained.decision, examples, name, trained.shows, trained.features, trained.seed
        )
    return layers


@contextmanager
def _legacy_format_accepted() -> Iterator[None]:
    """Drop Keras' advice against HDF5: the file is asked for, beside the `.keras` that the advice recommends."""

    def other(record: logging.LogRecord) -> bool:
        return "HDF5" not in record.getMessage()

    logger = logging.getLogger("absl")
    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def _require_room(folder: Path, weights_bytes: int) -> None:
    """Ask the disk beforehand: HDF5 takes the whole process down when the disk fills up while it writes."""
    if shutil.disk_usage(folder).free < COPIES_ON_DISK * weights_bytes + OTHER_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
