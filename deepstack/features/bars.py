"""The input of every feature: one run of candles as arrays, and the series many features share, computed once."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Bars:
    """One run of candles without a missing bar.

    Attributes:
        open, high, low, close, volume: float64, shape [bars].
        close_ms: int64 [bars], close time in milliseconds UTC.
        interval_ms: length of a bar.
        extra: optional columns, float64 [bars]: `trades`, `taker_buy_volume`.
        peers: float64 [bars, other symbols], log returns of the other symbols over the same bar, NaN where a peer
            has no bar; None for a market of one symbol.
    """

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    close_ms: np.ndarray
    interval_ms: int
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    peers: np.ndarray | None = None
    _shared: dict[Hashable, np.ndarray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.close)

    def part(self, rows: slice) -> "Bars":
        """A contiguous run of these bars (views, nothing shared so far is carried over)."""
        return Bars(
            open=self.open[rows],
            high=self.high[rows],
            low=self.low[rows],
            close=self.close[rows],
            volume=self.volume[rows],
            close_ms=self.close_ms[rows],
            interval_ms=self.interval_ms,
            extra={name: column[rows] for name, column in self.extra.items()},
            peers=None if self.peers is None else self.peers[rows],
        )

    def once(self, key: Hashable, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The series `key`, computed at the first request and shared afterwards, read-only."""
        if key not in self._shared:
            series = compute().view()
            series.flags.writeable = False
            self._shared[key] = series
        return self._shared[key]
