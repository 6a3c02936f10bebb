"""Bar intervals: read from text, written as text, found in the data."""

import numpy as np
import pandas as pd

from deepstack.errors import DataError

_UNITS = (("D", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1))


def parse_interval(text: str, where: str) -> pd.Timedelta:
    """`1min`, `15min`, `4h`, `1D` → a length of time.

    Raises:
        DataError: anything else, or a length that is no positive number of milliseconds.
    """
    try:
        interval = pd.Timedelta(text)
    except ValueError as error:
        raise _bad_interval(text, where) from error
    if pd.isna(interval) or interval <= pd.Timedelta(0) or interval % pd.Timedelta(1, "ms") != pd.Timedelta(0):
        raise _bad_interval(text, where)
    return interval


def interval_text(interval: pd.Timedelta) -> str:
    """`1min`, `4h`, `1D`: the longest unit that divides it."""
    length = interval_ms(interval)
    unit, size = next((unit, size) for unit, size in _UNITS if length % size == 0)
    return f"{length // size}{unit}"


def interval_ms(interval: pd.Timedelta) -> int:
    """Length in milliseconds."""
    return int(interval // pd.Timedelta(1, "ms"))


def most_common_step_ms(time_ms: np.ndarray) -> tuple[int, int] | None:
    """The most common positive step between the times once in order (the shortest of equals), and how often it occurs.

    None when there are not two different times.
    """
    steps = np.diff(np.sort(time_ms))  # several times faster than numpy's hashing unique
    steps = steps[steps > 0]
    if len(steps) == 0:
        return None
    lengths, counts = np.unique(steps, return_counts=True)
    best = int(np.argmax(counts))
    return int(lengths[best]), int(counts[best])


def phase_ms(time_ms: np.ndarray, step_ms: int) -> int:
    """The most common remainder of the times by the step: where the bars' grid lies against the UTC epoch."""
    remainders, counts = np.unique(time_ms % step_ms, return_counts=True)
    return int(remainders[np.argmax(counts)])


def _bad_interval(text: str, where: str) -> DataError:
    return DataError(where, expected="an interval such as 15min, 4h or 1D", received=repr(text), remedy="one of those")
