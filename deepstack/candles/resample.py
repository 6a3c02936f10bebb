"""Finer candles → coarser candles, on the UTC clock, from complete bars only."""

import numpy as np
import pandas as pd

from deepstack.candles.interval import interval_ms, interval_text
from deepstack.candles.market import Candles
from deepstack.candles.times import close_index, index_ms
from deepstack.errors import DataError, TooFewError


def resample(candles: Candles, interval: pd.Timedelta) -> Candles:
    """Bars of a longer interval.

    Coarse bars start at multiples of `interval` since 1970-01-01 00:00 UTC and are indexed by their close time. Open is
    the first, high the highest, low the lowest, close the last; volume and the optional columns are summed. A coarse
    bar is made only where none of its fine bars is missing; otherwise it is itself a missing bar.

    Raises:
        DataError: not a multiple of the candles' interval, or bars that straddle the coarse grid.
        TooFewError: no complete bar.
    """
    fine_ms, coarse_ms = interval_ms(candles.interval), interval_ms(interval)
    if coarse_ms == fine_ms:
        return candles
    if coarse_ms % fine_ms:
        raise _refusal(
            candles, f"a multiple of the bars' {interval_text(candles.interval)}", interval_text(interval), "a multiple"
        )
    frame = candles.frame
    open_ms = index_ms(frame.index) - fine_ms
    if len(frame) and open_ms[0] % fine_ms:
        raise _refusal(
            candles,
            f"bars opening at whole multiples of {interval_text(candles.interval)} UTC",
            f"bars opening at {pd.Timestamp(int(open_ms[0]), unit='ms')}",
            "resampling them where they come from",
        )
    ratio = coarse_ms // fine_ms
    bins, starts, counts = np.unique(open_ms // coarse_ms, return_index=True, return_counts=True)
    complete = counts == ratio
    if not complete.any():
        raise TooFewError(
            f"data.resample ({candles.symbol})",
            expected=f"{ratio} bars without a gap for one of {interval_text(interval)}",
            received="none",
            remedy="a shorter interval",
        )
    rows = starts[complete, None] + np.arange(ratio)
    merged = {name: _merge(name, frame[name].to_numpy()[rows]) for name in frame.columns}
    close_ms = (bins[complete] + 1) * coarse_ms
    return Candles(candles.symbol, interval, pd.DataFrame(merged, index=close_index(close_ms)))


def _merge(name: str, fine: np.ndarray) -> np.ndarray:
    """float64 [coarse bars, fine bars a coarse bar] → [coarse bars]."""
    if name == "open":
        return fine[:, 0]
    if name == "close":
        return fine[:, -1]
    if name == "high":
        return fine.max(axis=1)
    if name == "low":
        return fine.min(axis=1)
    return fine.sum(axis=1)


def _refusal(candles: Candles, expected: str, received: str, remedy: str) -> DataError:
    return DataError(f"data.resample ({candles.symbol})", expected=expected, received=received, remedy=remedy)
