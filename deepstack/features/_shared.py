"""Series that many features start from, computed once a run of bars."""

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features.bars import Bars


def log_return(bars: Bars) -> np.ndarray:
    """ln(close / previous close); NaN at the first bar. Lookback 2."""
    return bars.once("log_return", lambda: np.log(bars.close / roll.lag(bars.close, 1)))


def candle_range(bars: Bars) -> np.ndarray:
    """high - low, in price. Lookback 1."""
    return bars.once("candle_range", lambda: bars.high - bars.low)


def typical(bars: Bars) -> np.ndarray:
    """(high + low + close) / 3, in price. Lookback 1."""
    return bars.once("typical", lambda: (bars.high + bars.low + bars.close) / 3.0)


def true_range(bars: Bars) -> np.ndarray:
    """max(high, previous close) - min(low, previous close), in price; NaN at the first bar. Lookback 2.

    Wilder, New Concepts in Technical Trading Systems (1978).
    """

    def compute() -> np.ndarray:
        previous = roll.lag(bars.close, 1)
        return np.maximum(bars.high, previous) - np.minimum(bars.low, previous)

    return bars.once("true_range", compute)


def atr(bars: Bars, n: int) -> np.ndarray:
    """Wilder's average true range, in price. Lookback `atr_lookback(n)`."""
    return bars.once(("atr", n), lambda: roll.wilder(true_range(bars), n))


def atr_lookback(n: int) -> int:
    """Trailing bars that fix `atr`."""
    return roll.wilder_lookback(n) + 1


def volatility(bars: Bars, n: int) -> np.ndarray:
    """Standard deviation of the last n log returns, a bar. Lookback n + 1."""
    return bars.once(("volatility", n), lambda: roll.std(log_return(bars), n))


def relative_volume(bars: Bars, n: int) -> np.ndarray:
    """Volume over its mean of the last n; 0 where nothing traded. Lookback n."""
    return bars.once(("relative_volume", n), lambda: roll.ratio(bars.volume, roll.mean(bars.volume, n)))
