"""All rows read of one symbol, from however many tables, each remembering where it came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.candles.interval import interval_text, most_common_step_ms, phase_ms
from deepstack.candles.market import OPTIONAL_COLUMNS, Candles
from deepstack.candles.read import Piece
from deepstack.candles.times import close_index
from deepstack.errors import DataError

# A table's own interval counts as known when its most common step occurs at least this often; a step shorter than the
# other tables' sooner, because a gap makes steps longer and nothing sound makes them shorter.
_SURE_STEPS = 3
_SURE_SHORTER_STEPS = 2


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one symbol as they were read, unsorted and unjudged.

    Attributes:
        symbol: name of the instrument.
        step_ms: bar interval.
        close_ms: int64 [rows], close time in milliseconds UTC.
        columns: names of `values`.
        values: float64 [rows, columns].
        labels: the tables, by first time.
        table: int32 [rows], index into `labels`.
        row: int64 [rows], row number in its table.
    """

    symbol: str
    step_ms: int
    close_ms: np.ndarray
    columns: tuple[str, ...]
    values: np.ndarray
    labels: tuple[str, ...]
    table: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.close_ms)

    def take(self, index: np.ndarray) -> "Rows":
        """The rows at `index` (positions or a mask), in that order."""
        return Rows(
            self.symbol,
            self.step_ms,
            self.close_ms[index],
            self.columns,
            self.values[index],
            self.labels,
            self.table[index],
            self.row[index],
        )

    def column(self, name: str) -> np.ndarray:
        """float64 [rows]."""
        return self.values[:, self.columns.index(name)]

    def to_candles(self) -> Candles:
        """The record later stages read; the rows must be in order and on the grid."""
        frame = pd.DataFrame(self.values, index=close_index(self.close_ms), columns=list(self.columns))
        return Candles(self.symbol, pd.Timedelta(self.step_ms, "ms"), frame)


def combine_pieces(pieces: Sequence[Piece]) -> tuple[Rows, list[str]]:
    """Put the pieces of one symbol together, by their first time, with close times; and notes on what is left out.

    Raises:
        DataError: fewer than two bars, or tables with different bar intervals.
    """
    symbol = pieces[0].symbol
    pieces = sorted(pieces, key=lambda piece: int(piece.time_ms.min()))
    close_ms, step_ms = _close_times(pieces)
    columns, notes = _common_columns(pieces)
    values = [piece.values[:, [piece.columns.index(name) for name in columns]] for piece in pieces]
    rows = Rows(
        symbol,
        step_ms,
        close_ms,
        columns,
        np.concatenate(values),
        tuple(piece.label for piece in pieces),
        np.repeat(np.arange(len(pieces), dtype=np.int32), [len(piece.row) for piece in pieces]),
        np.concatenate([piece.row for piece in pieces]),
    )
    return rows, notes


def _close_times(pieces: Sequence[Piece]) -> tuple[np.ndarray, int]:
    found = most_common_step_ms(np.concatenate([piece.time_ms for piece in pieces]))
    if found is None:
        raise DataError(
            f"{pieces[0].label} ({pieces[0].symbol})",
            expected="at least two bars, so that the bar interval is known",
            received="one bar",
            remedy="a longer download",
        )
    step_ms = found[0]
    for piece in pieces:
        own = most_common_step_ms(piece.time_ms)
        if own is None or own[0] == step_ms:
            continue
        if own[1] >= (_SURE_SHORTER_STEPS if own[0] < step_ms else _SURE_STEPS):
            raise _different_intervals(pieces, piece, own[0], step_ms)
    close_ms = [
        piece.time_ms + step_ms if piece.is_open_time else _round_up_last_moment(piece.time_ms, step_ms)
        for piece in pieces
    ]
    return np.concatenate(close_ms), step_ms


def _round_up_last_moment(close_ms: np.ndarray, step_ms: int) -> np.ndarray:
    """Exchanges write the last millisecond or second inside the bar as its close: 00:59:59.999 is 01:00."""
    phase = phase_ms(close_ms, step_ms)
    for resolution_ms in (1, 1000):
        if resolution_ms < step_ms and phase == step_ms - resolution_ms:
            return np.where(close_ms % step_ms == phase, close_ms + resolution_ms, close_ms)
    return close_ms


def _common_columns(pieces: Sequence[Piece]) -> tuple[tuple[str, ...], list[str]]:
    """Optional columns count only where every table of the symbol has them: half a column would be a defect."""
    common = tuple(name for name in pieces[0].columns if all(name in piece.columns for piece in pieces))
    offered = {name for piece in pieces for name in piece.columns}
    left_out = [name for name in OPTIONAL_COLUMNS if name in offered and name not in common]
    return common, [f"{pieces[0].symbol}: {name} is left out, not every file has it" for name in left_out]


def _different_intervals(pieces: Sequence[Piece], odd: Piece, odd_step_ms: int, step_ms: int) -> DataError:
    odd_text, step_text = (interval_text(pd.Timedelta(step, "ms")) for step in (odd_step_ms, step_ms))
    # Files too short to tell may have made up the common interval together: then any of them stands for it.
    others = [piece for piece in pieces if piece is not odd]
    others.sort(key=lambda piece: (most_common_step_ms(piece.time_ms) or (0, 0))[0] != step_ms)
    return DataError(
        f"{odd.label} ({odd.symbol})",
        expected=f"bars of {step_text} as in {others[0].label}",
        received=f"bars of {odd_text}",
        remedy="giving only the files of one interval",
    )
