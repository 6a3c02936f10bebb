"""Several models' probabilities as one, settled on the validation slice alone.

What learns from validation (who is dropped, weights, a stacker) answers for validation out of fold: each purged fold by
what was learned from the others, so that a threshold chosen there is not chosen on what was memorised.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.ensembles.combiner import Combiner
from deepstack.ensembles.members import Pruned, prune
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


@dataclass(frozen=True, eq=False)
class Settled:
    """Who stays, and how they are combined: probabilities [members, samples, classes] → [samples, classes].

    Attributes:
        pruned: of all members.
        combiner: of those that stay.
    """

    pruned: Pruned
    combiner: Combiner

    def __call__(self, members: np.ndarray) -> np.ndarray:
        """Combine."""
        return self.combiner(members[list(self.pruned.kept)])


def settle(method: str, given: np.ndarray, codes: np.ndarray, times: pd.DataFrame) -> Settled:
    """Drop who only hurts and learn how to combine the others.

    Args:
        method: of METHODS.
        given: float64 [members, samples, classes].
        codes: int [samples], the true classes.
        times: decision_time and end_time, sorted by decision time.
    """
    pruned = prune(given, codes, times)
    return Settled(pruned, METHODS[method](given[list(pruned.kept)], codes))


def combine(method: str, members: Members) -> tuple[Predictions, Settled]:
    """The ensemble's probabilities on both slices, and what was settled.

    Args:
        method: of METHODS.
    """
    settled = settle(method, members.validation, members.codes, members.times)
    validation = out_of_fold(method, members.validation, members.codes, members.times)
    return Predictions(validation, settled(members.test)), settled


def out_of_fold(method: str, given: np.ndarray, codes: np.ndarray, times: pd.DataFrame) -> np.ndarray:
    """Validation answered fold by fold, who stays settled anew in each; float64 [samples, classes]. As `settle`."""
    found = np.empty(given.shape[1:])
    for rows, others in purged_folds(times, FOLDS):
        if len(np.unique(codes[others])) > 1:
            found[rows] = settle(method, given[:, others], codes[others], times.iloc[others])(given[:, rows])
        else:  # nothing is learned rather than from the fold itself
            found[rows] = mean(given, codes)(given[:, rows])
    return found
