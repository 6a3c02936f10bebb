"""What one model said on one fold: the unit a study stores, resumes from and judges."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from deepstack.artifact.atomic import write_atomic
from deepstack.config.folds import FoldsConfig
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError

_UNASKED: Any = {"name": True, "seed": True, "evaluation": True, "tuning": True, "data": {"paths"}}
"""Of a config, what does not change a fit: the candles are told apart by their fingerprint."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Class probabilities of one model on the validation and test slice of one fold.

    Attributes:
        model: its name on the leaderboard.
        fold, seed: which fit.
        validation, test: float64 [samples, outputs, classes], corrected to the priors.
        validation_rows, test_rows: int64 [samples], positions among all labelled samples of the market.
        facts: `seconds` of the fit, `epochs`, `parameters`, and the choices made (`trainings`, `ensembles`); those that
            are known.
    """

    model: str
    fold: int
    seed: int
    validation: np.ndarray
    test: np.ndarray
    validation_rows: np.ndarray
    test_rows: np.ndarray
    facts: Mapping[str, float]


@dataclass(frozen=True)
class Store:
    """Finished fits as files of one folder.

    Attributes:
        folder: made when the first is written.
        folds: scheme of the folds.
        fingerprint: of the candles.
    """

    folder: Path
    folds: FoldsConfig
    fingerprint: str

    def path(self, config: RunConfig, model: str, fold: int, seed: int) -> Path:
        """Where a fit stands; its name tells all that decides it."""
        known = {
            "config": config.model_dump(mode="json", exclude=_UNASKED),
            "folds": self.folds.model_dump(mode="json"),
            "fingerprint": self.fingerprint,
            "stopped": "inside",
        }
        digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]
        return self.folder / f"{model}-fold{fold}-seed{seed}-{digest}.npz"

    def write(self, config: RunConfig, answers: Answers) -> None:
        """Write one fit, whole or not at all.

        Raises:
            ArtifactError: the disk is full or read-only.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(answers, name) for name in ("validation", "test", "validation_rows", "test_rows")}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays, facts=np.array(json.dumps(dict(answers.facts))))
        path = self.path(config, answers.model, answers.fold, answers.seed)
        write_atomic(path, lambda part: part.write_bytes(buffer.getvalue()))

    def read(self, config: RunConfig, model: str, fold: int, seed: int) -> Answers | None:
        """One fit; None when it is not there.

        Raises:
            ArtifactError: the file is damaged.
        """
        path = self.path(config, model, fold, seed)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("validation", "test", "validation_rows", "test_rows")}
                facts: dict[str, Any] = json.loads(str(file["facts"]))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ArtifactError(
                str(path), expected="a finished fit", received=str(error), remedy="deleting it: it is made again"
            ) from error
        return Answers(model, fold, seed, **arrays, facts=facts)
