"""Folds of one slice, for what learns from it and must also answer for it."""

import numpy as np
import pandas as pd

FOLDS = 5


def purged_folds(times: pd.DataFrame, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Consecutive folds with, for each, the samples whose interval does not meet the fold's span.

    Args:
        times: decision_time and end_time, sorted by decision time.
        folds: how many.

    Returns:
        (positions of the fold, positions one may learn from), int64 each.

    Source: López de Prado 2018, Advances in Financial Machine Learning, section 7.4.1.
    """
    start, end = times["decision_time"].to_numpy(), times["end_time"].to_numpy()
    found = []
    for rows in np.array_split(np.arange(len(times)), min(folds, len(times))):
        apart = (end < start[rows].min()) | (start > end[rows].max())
        found.append((rows, np.flatnonzero(apart)))
    return found
