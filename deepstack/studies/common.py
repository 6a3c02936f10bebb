"""All models of a leaderboard on the same samples of a fold, the ensembles of them included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from deepstack.ensembles.combine import Members, combine
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.calibrate import calibrated
from deepstack.labels.labelled import Labels
from deepstack.studies.answers import Answers

ENSEMBLES = {"ensemble_weighted": "weighted", "ensemble_stacking": "stacking", "ensemble_vote": "vote"}
"""Name on the leaderboard → way of combining all networks and fitted baselines."""
NOT_COMBINED = ("take_all",)


@dataclass(frozen=True, eq=False)
class Common:
    """One fold and seed.

    Attributes:
        validation_rows, test_rows: int64, positions of the samples every model answered for, among all labelled ones.
        models: model → output → predictions on those.
        left_out: test samples that some model did not answer for.
    """

    validation_rows: np.ndarray
    test_rows: np.ndarray
    models: dict[str, list[Predictions]]
    left_out: int


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
    for output in range(len(labels.outputs)):
        codes = labels.codes[validation, output]
        alone = {name: Predictions(v[:, output], t[:, output]) for name, (v, t) in given.items()}
        for name, predictions in {**alone, **_ensembles(alone, codes, times)}.items():
            models.setdefault(name, []).append(calibrated(calibration, predictions, codes, times)[0])
    everyone = reduce(np.union1d, [one.test_rows for one in answers])
    return Common(validation, test, models, len(everyone) - len(test))


def _ensembles(alone: Mapping[str, Predictions], codes: np.ndarray, times: object) -> dict[str, Predictions]:
    combined = [predictions for name, predictions in alone.items() if name not in NOT_COMBINED]
    if len(combined) < 2:
        return {}
    validation, test = (np.stack([getattr(one, name) for one in combined]) for name in ("validation", "test"))
    members = Members(validation, test, codes, times)  # type: ignore[arg-type]
    return {name: combine(method, members) for name, method in ENSEMBLES.items()}
