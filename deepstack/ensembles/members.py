"""Who belongs in an ensemble: how far members differ, and who only hurts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepstack.ensembles.combiner import SMALLEST
from deepstack.evaluation.out_of_fold import FOLDS

RULE = (
    f"left out where the equal mean without it has less log-loss in each of {FOLDS} stretches of validation; "
    "the last two stay"
)


@dataclass(frozen=True)
class Pruned:
    """Who stays.

    Attributes:
        kept: positions of the members that stay, ascending.
        dropped: positions of the others, in the order they were dropped.
    """

    kept: tuple[int, ...]
    dropped: tuple[int, ...]


def prune(given: np.ndarray, codes: np.ndarray, times: pd.DataFrame) -> Pruned:
    """Drop, one by one, the member whose absence helps most, while it helps in every stretch of validation.

    A member that only hurts is one without which the equal mean of the others has less log-loss throughout: in each of
    FOLDS consecutive stretches, so that no single episode decides. The last two stay whatever they do.

    Args:
        given: float64 [members, samples, classes], of the validation slice.
        codes: int [samples], the true classes.
        times: decision_time of the samples, sorted.
    """
    of_truth = given[:, np.arange(len(codes)), codes]
    stretches = np.array_split(np.arange(len(times)), min(FOLDS, len(times)))

    def losses(members: list[int]) -> np.ndarray:
        each = -np.log(np.maximum(of_truth[members].mean(axis=0), SMALLEST))
        return np.array([each[rows].mean() for rows in stretches])

    kept, dropped = list(range(len(given))), []
    while len(kept) > 2:
        whole = losses(kept)
        without = {member: losses([other for other in kept if other != member]) for member in kept}
        hurting = [member for member, loss in without.items() if (loss < whole).all()]
        if not hurting:
            break
        worst = min(hurting, key=lambda member: without[member].mean())
        kept.remove(worst)
        dropped.append(worst)
    return Pruned(tuple(kept), tuple(dropped))


def diversity(given: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    """How far members differ on the same samples.

    Args:
        given: float64 [members, samples, classes].
        codes: int [samples], the true classes.

    Returns:
        `disagreement`, the mean share of samples on which two members name another class; `error_correlation`, the mean
        correlation of two members' probability of the truth; and both as `pairs`, a matrix each.

    Source: Kuncheva & Whitaker 2003, Measures of diversity in classifier ensembles.
    """
    answers = given.argmax(axis=2)
    apart = (answers[:, None] != answers[None]).mean(axis=2)
    of_truth = given[:, np.arange(len(codes)), codes]
    with np.errstate(invalid="ignore", divide="ignore"):
        together = np.nan_to_num(np.corrcoef(of_truth), nan=0.0)
    above = np.triu_indices(len(given), 1)
    return {
        "disagreement": float(apart[above].mean()) if len(given) > 1 else None,
        "error_correlation": float(together[above].mean()) if len(given) > 1 else None,
        "pairs": {"disagreement": apart.tolist(), "error_correlation": np.atleast_2d(together).tolist()},
    }
