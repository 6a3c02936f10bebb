"""All models of a leaderboard on the same samples of a fold, the ensembles of them included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from deepstack.ensembles.combine import Members, combine
from deepstack.ensembles.members import diversity
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.calibrate import calibrated
from deepstack.labels.labelled import Labels
from deepstack.studies.answers import Answers

ENSEMBLES = {"ensemble_weighted": "weighted", "ensemble_stacking": "stacking", "ensemble_voting": "mean"}
"""Name on the leaderboard → way of combining all networks and fitted baselines; voting is soft."""
NOT_COMBINED = ("take_all",)


@dataclass(frozen=True, eq=False)
class Common:
    """One fold and seed.

    Attributes:
        validation_rows, test_rows: int64, positions of the samples every model answered for, among all labelled ones.
        models: model → output → predictions on those.
        left_out: test samples that some model did not answer for.
        dropped: output by output, members that the ensembles left out, see `ensembles.members.prune`.
        diversity: output by output, how far the members differ.
    """

    validation_rows: np.ndarray
    test_rows: np.ndarray
    models: dict[str, list[Predictions]]
    left_out: int
    dropped: list[list[str]]
    diversity: list[dict[str, Any]]


def common(answers: Sequence[Answers], labels: Labels, calibration: str) -> Common:
    """Cut the answers of one fold and seed to what all answered for, calibrate them and combine them.

    Args:
        answers: one a model.
        labels: all labelled samples.
        calibration: method, for every model alike; the ensembles are made of what the models said before it.
    """
    validation, test = (
        reduce(np.intersect1d, [getattr(one, name) for one in answers]) for name in ("validation_rows", "test_rows")
    )
    given = {
        one.model: (
            one.validation[np.searchsorted(one.validation_rows, validation)],
            one.test[np.searchsorted(one.test_rows, test)],
        )
        for one in answers
    }
    times = labels.samples.iloc[validation].reset_index(drop=True)
    models: dict[str, list[Predictions]] = {}
    dropped: list[list[str]] = []
    apart: list[dict[str, Any]] = []
    for output in range(len(labels.outputs)):
        codes = labels.codes[validation, output]
        alone = {name: Predictions(v[:, output], t[:, output]) for name, (v, t) in given.items()}
        combined, left, differ = _ensembles(alone, codes, times)
        dropped.append(left)
        apart.append(differ)
        for name, predictions in {**alone, **combined}.items():
            models.setdefault(name, []).append(calibrated(calibration, predictions, codes, times)[0])
    everyone = reduce(np.union1d, [one.test_rows for one in answers])
    return Common(validation, test, models, len(everyone) - len(test), dropped, apart)


def _ensembles(
    alone: Mapping[str, Predictions], codes: np.ndarray, times: pd.DataFrame
) -> tuple[dict[str, Predictions], list[str], dict[str, Any]]:
    """Ensembles by name, the members they left out, and how far the members differ."""
    names = [name for name in alone if name not in NOT_COMBINED]
    if len(names) < 2:
        return {}, [], {}
    validation, test = (np.stack([getattr(alone[name], part) for name in names]) for part in ("validation", "test"))
    members = Members(validation, test, codes, times)
    combined = {name: combine(method, members) for name, method in ENSEMBLES.items()}
    pruned = next(settled.pruned for _, settled in combined.values())  # the rule does not ask for the method
    found = {name: predictions for name, (predictions, _) in combined.items()}
    return found, [names[member] for member in pruned.dropped], diversity(validation, codes)
