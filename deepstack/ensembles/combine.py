"""Several models' probabilities as one, settled on the validation slice alone.

What learns from validation (weights, a stacker) answers for validation out of fold: each purged fold by what was
learned from the others, so that a threshold chosen there is not chosen on what the combiner has memorised.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.ensembles.combiner import Combiner
from deepstack.ensembles.stacking import neural_stacking, stacking
from deepstack.ensembles.voting import voting, weighted_voting
from deepstack.ensembles.weighted import mean, weighted
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.out_of_fold import FOLDS, purged_folds

METHODS: dict[str, Callable[[np.ndarray, np.ndarray], Combiner]] = {
    "mean": mean,
    "weighted": weighted,
    "voting": voting,
    "weighted_voting": weighted_voting,
    "stacking": stacking,
    "neural_stacking": neural_stacking,
}
"""Name → (probabilities [members, samples, classes], true classes) → combiner; `mean` is soft voting."""


@dataclass(frozen=True, eq=False)
class Members:
    """What the members said of the same samples.

    Attributes:
        validation, test: float64 [members, samples of the slice, classes].
        codes: int [validation samples], the true classes.
        times: frame of decision_time and end_time of the validation samples, sorted by decision time.
    """

    validation: np.ndarray
    test: np.ndarray
    codes: np.ndarray
    times: pd.DataFrame


def combine(method: str, members: Members) -> Predictions:
    """The ensemble's probabilities on both slices.

    Args:
        method: of METHODS.
    """
    settled = METHODS[method](members.validation, members.codes)
    return Predictions(out_of_fold(method, members.validation, members.codes, members.times), settled(members.test))


def out_of_fold(method: str, given: np.ndarray, codes: np.ndarray, times: pd.DataFrame) -> np.ndarray:
    """Validation answered fold by fold, float64 [samples, classes].

    Args:
        method: of METHODS.
        given: float64 [members, samples, classes].
        codes: int [samples].
        times: decision_time and end_time.
    """
    learn = METHODS[method]
    found = np.empty(given.shape[1:])
    for rows, others in purged_folds(times, FOLDS):
        enough = len(np.unique(codes[others])) > 1  # else nothing is learned rather than from the fold itself
        found[rows] = (learn if enough else mean)(given[:, others], codes[others])(given[:, rows])
    return found
