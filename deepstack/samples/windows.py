"""Windows of a matrix by index: what a sequence model sees of each sample, gathered when a batch is made."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Windows:
    """An array [samples, length, features] that exists only as the indices into one matrix.

    Indexing it with an integer array gathers those samples; nothing else of an array is offered.

    Attributes:
        values: float32 [rows, features], rows of one symbol and gap-free run in time order.
        last: int64 [samples], the newest row of each sample's window.
        length: rows of a window.
    """

    values: np.ndarray
    last: np.ndarray
    length: int

    def __len__(self) -> int:
        return len(self.last)

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.last), self.length, self.values.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """The arrays that say all of it."""
        return self.values, self.last, np.array(self.length)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """float32 [*index.shape, length, features], oldest row first."""
        return self.values[self.last[index][..., None] + np.arange(1 - self.length, 1)]

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        """Refused: numpy would write all windows out without being asked to.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"windows of shape {self.shape} are not to be written out; index them")


def fits(segment: np.ndarray, last: np.ndarray, length: int) -> np.ndarray:
    """Whether `length` rows up to and including `last` lie in one gap-free run, bool [samples].

    Args:
        segment: int [rows], number of the gap-free run each row lies in, unique over the matrix.
        last: int64 [samples]; -1, no such row, fits nowhere.
        length: rows of a window.
    """
    first = last - (length - 1)
    inside = (first >= 0) & (last >= 0)
    result = np.zeros(len(last), bool)
    result[inside] = segment[first[inside]] == segment[last[inside]]
    return result


def rows_seen(rows: int, last: np.ndarray, length: int) -> np.ndarray:
    """Which rows of the matrix some window sees, bool [rows]."""
    edges = np.zeros(rows + 1, np.int64)
    np.add.at(edges, last - (length - 1), 1)
    np.add.at(edges, last + 1, -1)
    return np.cumsum(edges[:-1]) > 0
