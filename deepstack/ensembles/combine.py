"""Several models' probabilities as one: mean, weighted, vote and stacking, all settled on the validation slice alone.

What learns from validation (weights, a stacker) answers for validation out of fold: each purged fold by what was
learned from the others, so that a threshold chosen there is not chosen on what the combiner has memorised.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.out_of_fold import FOLDS, purged_folds

Combiner = Callable[[np.ndarray], np.ndarray]
"""Probabilities [members, samples, classes] → [samples, classes]."""

SMALLEST = 1e-6
"""Probability below which a logarithm is not taken."""


@dataclass(frozen=True, eq=False)
class Members:
    """What the members said of the same samples.

    Attributes:
        validation, test: float64 [members, samples of the slice, classes].
        codes: int [validation samples], the true classes.
        times: frame of decision_time and end_time of the validation samples.
    """

    validation: np.ndarray
    test: np.ndarray
    codes: np.ndarray
    times: pd.DataFrame


def combine(method: str, members: Members) -> Predictions:
    """The ensemble's probabilities on both slices.

    Args:
        method: `mean`, `weighted`, `vote` or `stacking`.
    """
    learn = METHODS[method]
    settled = learn(members.validation, members.codes)
    validation = np.empty(members.validation.shape[1:])
    for rows, others in purged_folds(members.times, FOLDS):
        enough = len(np.unique(members.codes[others])) > 1  # else nothing is learned rather than from the fold itself
        combiner = (learn if enough else mean)(members.validation[:, others], members.codes[others])
        validation[rows] = combiner(members.validation[:, rows])
    return Predictions(validation, settled(members.test))


def mean(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """Equal shares; nothing is learned."""
    return lambda members: np.asarray(members.mean(axis=0))


def vote(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """The share of votes, each member's for its likeliest class and one more for every class (Laplace's rule)."""

    def count(members: np.ndarray) -> np.ndarray:
        voters, _, classes = members.shape
        return (np.eye(classes)[members.argmax(axis=2)].sum(axis=0) + 1.0) / (voters + classes)

    return count


def weighted(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """Shares on the simplex that give the least log-loss."""
    of_truth = given[:, np.arange(len(codes)), codes]

    def loss(shares: np.ndarray) -> float:
        return float(-np.log(np.maximum(shares @ of_truth, SMALLEST)).mean())

    count = len(given)
    found = minimize(
        loss,
        np.full(count, 1.0 / count),
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1.0},
    )
    shares = np.maximum(found.x, 0.0) / np.maximum(found.x, 0.0).sum()
    return lambda members: np.tensordot(shares, members, axes=1)


def stacking(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """Logistic regression on the members' log-probabilities (Wolpert 1992, Stacked generalization)."""
    model = LogisticRegression(C=0.1, max_iter=500).fit(_logs(given), codes)

    def answer(members: np.ndarray) -> np.ndarray:
        probability = np.zeros(members.shape[1:])
        probability[:, model.classes_] = model.predict_proba(_logs(members))
        return probability

    return answer


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], Combiner]] = {
    "mean": mean,
    "weighted": weighted,
    "vote": vote,
    "stacking": stacking,
}


def _logs(members: np.ndarray) -> np.ndarray:
    """[samples, members × classes]."""
    logs = np.log(np.maximum(members, SMALLEST))
    return np.concatenate(list(logs), axis=1)
