"""What became of one trial: one JSON file each, whoever ran it and however it ended."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from deepstack.artifact.atomic import write_atomic
from deepstack.errors import ArtifactError
from deepstack.evaluation.returns import DailyReturns

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Outcome:
    """One trial.

    Attributes:
        trial: its number, as the engine names it.
        state: `pruned` by the engine after some folds, `failed` with a reason.
        values: what the engine picked.
        score: mean of the folds judged; None of a failed one.
        folds: objective on each fold judged.
        reason: why it failed, or why it was pruned.
        seconds, training_s: of the whole trial, and of its trainings alone.
        epochs: trained, over all folds.
        parameters: weights of the network.
        latency_ms: median of one window; None unless asked for.
        started_from: trial whose weights it began with.
        worker: who ran it.
        returns: output → first day and daily returns over the folds' tests.
        trainings, ensembles: made over all folds, see `evaluation.ledger.Made`.
    """

    trial: str
    state: State
    values: Mapping[str, Any]
    score: float | None = None
    folds: tuple[float, ...] = ()
    reason: str = ""
    seconds: float = 0.0
    training_s: float = 0.0
    epochs: int = 0
    parameters: int = 0
    latency_ms: float | None = None
    started_from: str | None = None
    worker: str = ""
    returns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trainings: int = 0
    ensembles: int = 0

    def daily(self) -> dict[str, DailyReturns]:
        """The returns by output."""
        found = {}
        for output, one in self.returns.items():
            values = np.array(one["values"], np.float64)
            days = pd.date_range(one["first_day"], periods=len(values), freq="D", tz="UTC")
            found[output] = DailyReturns(days, values)
        return found


def tree_of(daily: DailyReturns) -> dict[str, Any]:
    """Returns as an outcome keeps them."""
    values = [float(f"{value:.9g}") for value in daily.values]
    return {"first_day": daily.days[0].date().isoformat(), "values": values}


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write `<folder>/<trial>.json`, whole or not at all.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(outcome)) + "\n"
    write_atomic(folder / f"{outcome.trial}.json", lambda part: part.write_text(text, encoding="utf-8"))


def read_outcome(path: Path) -> Outcome:
    """One outcome.

    Raises:
        ArtifactError: the file is no outcome.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(**tree | {"folds": tuple(tree["folds"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            str(path), expected="a trial's outcome", received=str(error), remedy="deleting it, which forgets the trial"
        ) from error


def read_outcomes(folder: Path) -> list[Outcome]:
    """All of a search, by number."""
    return [read_outcome(path) for path in sorted(folder.glob("[0-9]*.json"))]
