"""The trailing bars of one symbol, kept in order and bounded whatever arrives."""

from enum import Enum

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles
from deepstack.candles.times import close_index
from deepstack.streaming.bar import Bar, require_grid

_FIRST_ROWS = 256


class Placed(Enum):
    """What became of a bar."""

    NEW = "new"
    """Newer than all before."""
    DUPLICATE = "duplicate"
    """The same as the one known; nothing changed."""
    REVISED = "revised"
    """Other content for the newest bar, which it replaced."""
    AMENDED = "amended"
    """Other content for an older bar, which it replaced."""
    FILLED = "filled"
    """Late, into a gap inside the window."""
    DROPPED = "dropped"
    """Older than the window."""


class Window:
    """Bars of one symbol, none older than `span_ms` before the newest.

    Args:
        symbol: name of the instrument.
        step_ms: bar interval.
        span_ms: length of time kept.
        columns: of the values.
    """

    def __init__(self, symbol: str, step_ms: int, span_ms: int, columns: tuple[str, ...]) -> None:
        self.symbol, self.step_ms, self.span_ms, self.columns = symbol, step_ms, span_ms, columns
        self._times = np.empty(_FIRST_ROWS, np.int64)
        self._values = np.empty((_FIRST_ROWS, len(columns)))
        self._first = self._end = 0

    def __len__(self) -> int:
        return self._end - self._first

    @property
    def times(self) -> np.ndarray:
        """int64 [bars], close times in milliseconds UTC, ascending; a view."""
        return self._times[self._first : self._end]

    @property
    def values(self) -> np.ndarray:
        """float64 [bars, columns]; a view."""
        return self._values[self._first : self._end]

    @property
    def newest_ms(self) -> int | None:
        """Close time of the newest bar; None without one."""
        return int(self._times[self._end - 1]) if len(self) else None

    def has(self, close_ms: int) -> bool:
        """Whether the bar that closed then is known."""
        at = int(np.searchsorted(self.times, close_ms))
        return at < len(self) and int(self.times[at]) == close_ms

    def restore(self, times: np.ndarray, values: np.ndarray) -> None:
        """Fill an empty window with what another held."""
        self._times, self._values = times.astype(np.int64), values.astype(np.float64)
        self._first, self._end = 0, len(times)

    def place(self, bar: Bar) -> Placed:
        """Take a bar in that is on the grid."""
        newest = self.newest_ms
        if newest is None or bar.close_ms > newest:
            self._append(bar)
            return Placed.NEW
        at = int(np.searchsorted(self.times, bar.close_ms))
        if int(self.times[at]) == bar.close_ms:
            if np.array_equal(self.values[at], bar.values):
                return Placed.DUPLICATE
            self.values[at] = bar.values
            return Placed.REVISED if bar.close_ms == newest else Placed.AMENDED
        if bar.close_ms <= newest - self.span_ms:
            return Placed.DROPPED
        self._insert(at, bar)
        return Placed.FILLED

    def candles(self, until_ms: int) -> Candles:
        """The bars that had closed by then."""
        end = int(np.searchsorted(self.times, until_ms, "right"))
        frame = pd.DataFrame(self.values[:end].copy(), close_index(self.times[:end].copy()), list(self.columns))
        return Candles(self.symbol, pd.Timedelta(self.step_ms, "ms"), frame)

    def require_grid(self, bar: Bar) -> None:
        """Refuse a bar that closes off the grid of those before it.

        Raises:
            DataError: names the distance.
        """
        if self.newest_ms is not None:
            require_grid(bar, self.newest_ms, self.step_ms)

    def _append(self, bar: Bar) -> None:
        self._first += int(np.searchsorted(self.times, bar.close_ms - self.span_ms, "right"))
        self._make_room()
        self._times[self._end], self._values[self._end] = bar.close_ms, bar.values
        self._end += 1

    def _insert(self, at: int, bar: Bar) -> None:
        self._make_room()
        place, end = self._first + at, self._end
        self._times[place + 1 : end + 1] = self._times[place:end].copy()
        self._values[place + 1 : end + 1] = self._values[place:end].copy()
        self._times[place], self._values[place] = bar.close_ms, bar.values
        self._end += 1

    def _make_room(self) -> None:
        """Room for one more row: the rows move to the front of their array, or of a larger one when half is in use."""
        if self._end < len(self._times):
            return
        rows = max(_FIRST_ROWS, 2 * len(self) + 2)
        times, values = np.empty(rows, np.int64), np.empty((rows, len(self.columns)))
        times[: len(self)], values[: len(self)] = self.times, self.values
        self._times, self._values, self._first, self._end = times, values, 0, len(self)
