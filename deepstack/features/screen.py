"""Keep the features that say most about the outcome, judged one by one on training rows alone."""

from collections.abc import Sequence

import numpy as np

BINS = 10


def screen_features(train: np.ndarray, won: np.ndarray, names: Sequence[str], most: int) -> tuple[str, ...]:
    """The `most` features with the strongest association with the outcome, in their given order.

    A deep network fits noise in hundreds of weak inputs long before it finds the few that matter; trees do not, and
    this step gives both the same start (sure independence screening: Fan & Lv 2008). The score is the chi-square of
    win counts over ten quantile bins, less its degrees of freedom, so that a feature that acts through its size and
    not its sign is found as well as a linear one. A feature that matters only together with another is not.

    Args:
        train: float32 [rows, features], finite.
        won: bool [rows].
        names: one a column.
        most: how many to keep; all are kept when there are no more.
    """
    if len(names) <= most:
        return tuple(names)
    scores = np.array([association(column, won) for column in train.T])
    kept = np.sort(np.argsort(-scores, kind="stable")[:most])
    return tuple(names[i] for i in kept)


def association(column: np.ndarray, won: np.ndarray) -> float:
    """Chi-square of wins over quantile bins of a column, less its degrees of freedom; about 0 without association.

    Args:
        column: float [rows].
        won: bool [rows], both classes present.
    """
    edges = np.unique(np.quantile(column, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, column)
    count = np.bincount(bins, minlength=len(edges) + 1)
    wins = np.bincount(bins, weights=won, minlength=len(edges) + 1)
    filled = count > 0
    rate = won.mean()
    expected = count[filled] * rate
    return float(((wins[filled] - expected) ** 2 / (expected * (1.0 - rate))).sum() - (filled.sum() - 1))
