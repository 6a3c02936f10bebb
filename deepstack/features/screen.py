"""Keep the features that say most about the outcome, judged one by one on training rows alone."""

from collections.abc import Sequence

import numpy as np

BINS = 10


def screen_features(train: np.ndarray, codes: np.ndarray, names: Sequence[str], most: int) -> tuple[str, ...]:
    """The `most` features with the strongest association with the outcome, in their given order.

    A deep network fits noise in hundreds of weak inputs long before it finds the few that matter; trees do not, and
    this step gives both the same start (sure independence screening: Fan & Lv 2008). The score is the chi-square of
    class counts over ten quantile bins, less its degrees of freedom, summed over the outputs, so that a feature that
    acts through its size and not its sign is found as well as a linear one. A feature that matters only together with
    another is not.

    Args:
        train: float32 [rows, features], finite.
        codes: int [rows, outputs], class of each row for each output.
        names: one a column.
        most: how many to keep; all are kept when there are no more.
    """
    if len(names) <= most:
        return tuple(names)
    scores = np.array([sum(association(column, output) for output in codes.T) for column in train.T])
    kept = np.sort(np.argsort(-scores, kind="stable")[:most])
    return tuple(names[i] for i in kept)


def association(column: np.ndarray, codes: np.ndarray) -> float:
    """Chi-square of classes over quantile bins of a column, less its degrees of freedom; about 0 without association.

    Args:
        column: float [rows].
        codes: int [rows], class of each row.
    """
    edges = np.unique(np.quantile(column, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    bins, classes = np.searchsorted(edges, column), int(codes.max()) + 1
    counts = np.bincount(bins * classes + codes, minlength=(len(edges) + 1) * classes).reshape(-1, classes)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    return float(((counts - expected) ** 2 / expected).sum() - freedom)
