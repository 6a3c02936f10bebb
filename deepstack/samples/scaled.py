"""Scaling a model's inputs: a matrix in place, block by block, so that no second copy of it is ever held."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from deepstack.samples.windows import Windows, rows_seen

BLOCK_ROWS = 16_384
FIT_ROWS = 100_000
"""What is fitted on a matrix is fitted on at most so many of its rows."""


class Scaler(Protocol):
    """A fitted scikit-learn transformer."""

    def transform(self, x: np.ndarray) -> np.ndarray: ...


def thinned(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of the rows, in order, drawn at random: every n-th of alternating symbols would be one symbol."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def seen_rows(values: np.ndarray | Windows, samples: np.ndarray) -> np.ndarray:
    """The feature rows that these samples see, float32 [rows, features], at most FIT_ROWS of them.

    Args:
        values: an input.
        samples: positions of the samples.
    """
    if isinstance(values, Windows):
        matrix = values.values
        rows = np.flatnonzero(rows_seen(len(matrix), values.last[samples], values.length))
    else:
        matrix, rows = values, samples
    return matrix[thinned(rows, FIT_ROWS, seed=0)]


def scale_in_place(values: np.ndarray | Windows, columns: Sequence[int], scaler: Scaler) -> np.ndarray | Windows:
    """The input with `columns` scaled and the others gone; its matrix is overwritten.

    The narrower matrix is written into the front of the wider one's memory: a block's rows end there before, or where,
    the block begins.

    Args:
        values: Windows, or a contiguous float32 [samples, …, features].
        columns: those to keep.
        scaler: fitted on them.
    """
    return _rewritten(values, columns, scaler.transform)


def keep_columns(values: np.ndarray | Windows, columns: Sequence[int]) -> np.ndarray | Windows:
    """The input with `columns` as they are and the others gone; as `scale_in_place`."""
    return _rewritten(values, columns, lambda block: block)


def _rewritten(
    values: np.ndarray | Windows, columns: Sequence[int], change: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray | Windows:
    whole = values.values if isinstance(values, Windows) else values
    matrix = whole.reshape(-1, whole.shape[-1])
    buffer, width = matrix.reshape(-1), len(columns)
    for first in range(0, len(matrix), BLOCK_ROWS):
        block = change(matrix[first : first + BLOCK_ROWS][:, columns])
        buffer[first * width : first * width + block.size] = block.reshape(-1)
    scaled = buffer[: len(matrix) * width].reshape(*whole.shape[:-1], width)
    return Windows(scaled, values.last, values.length) if isinstance(values, Windows) else scaled
