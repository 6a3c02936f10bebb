"""Yardsticks the indicator groups share: ATR units, place inside a band, deviation, short filters, log ratios.

Every function depends on nothing but its window, to the last bit, like `_rolling`.
"""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._fold import fold, join_covariance, pad
from deepstack.features._shared import atr, atr_lookback
from deepstack.features.bars import Bars

ATR_BARS = 14
ATR_LOOKBACK = atr_lookback(ATR_BARS)

NO_MOVEMENT = 1e-6
"""A price distance below this share of the price (a hundredth of a basis point) is rounding, and counts as 0."""

_CONSTANT = 1e-10
"""A standard deviation below this share of the mean is rounding, and counts as 0."""


def in_atr(bars: Bars, distance: np.ndarray) -> np.ndarray:
    """A price distance in multiples of ATR 14; 0 where the market stands still. Lookback `ATR_LOOKBACK`."""

    def unit() -> np.ndarray:
        average = atr(bars, ATR_BARS)
        return np.where(average <= NO_MOVEMENT * bars.close, 0.0, average)

    return roll.ratio(distance, bars.once("atr_unit", unit))


def position(x: np.ndarray, low: np.ndarray, high: np.ndarray, floor: np.ndarray | float = 0.0) -> np.ndarray:
    """Where x lies in a band: -1 at `low`, 1 at `high`, beyond outside; 0 where the band is no wider than `floor`."""
    width = high - low
    return roll.ratio(2.0 * x - high - low, np.where(width <= floor, 0.0, width))


def price_change(bars: Bars) -> np.ndarray:
    """Close minus the previous close, in price; NaN at the first bar. Lookback 2."""
    return bars.once("price_change", lambda: bars.close - roll.lag(bars.close, 1))


def mean_absolute_deviation(x: np.ndarray, n: int) -> np.ndarray:
    """Mean of |x - mean| over the last n, about the mean of the same window; n passes, so for n up to about 50."""
    centre = roll.mean(x, n)
    middle = centre[n - 1 :]
    buffer, summed = np.empty(len(middle)), np.zeros(len(middle))
    for k in range(n if len(middle) else 0):
        np.subtract(x[k : k + len(middle)], middle, out=buffer)
        summed += np.abs(buffer, out=buffer)
    centre[n - 1 :] = summed / n
    return centre


def fir(x: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Finite impulse response filter: sum of `taps[k] * x[t - k]`; the first `len(taps) - 1` are NaN."""
    out = np.full(len(x), np.nan)
    if len(x) >= len(taps):
        out[len(taps) - 1 :] = np.convolve(x, taps, mode="valid")
    return out


def ema_taps(*spans: int) -> np.ndarray:
    """Taps of an EMA, or of EMAs one after another: each is `roll.ema`'s own cut and renormalised weights."""
    taps = np.ones(1)
    for span in spans:
        weights = (1.0 - 2.0 / (span + 1.0)) ** np.arange(roll.ema_lookback(span))
        taps = np.convolve(taps, weights / weights.sum())
    return taps


def close_line(bars: Bars, n: int) -> np.ndarray:
    """Least-squares line of the last n closes, [4, bars]: mean, slope a bar, std, correlation with time. Lookback n."""
    return bars.once(("close_line", n), lambda: roll.line(bars.close, n))


def line_end(line: np.ndarray, n: int) -> np.ndarray:
    """Value at the current bar of a least-squares line over n."""
    return line[0] + line[1] * (0.5 * (n - 1))


def correlations(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """`roll.correlation` of several pairs in one pass: x and y are [pairs, bars], and so is the result."""
    zero = np.zeros(x.shape)
    mean_x, mean_y, square_x, square_y, product = fold((x, y, zero, zero, zero), n, join_covariance)
    square_x[square_x <= n * (_CONSTANT * mean_x) ** 2] = 0.0
    square_y[square_y <= n * (_CONSTANT * mean_y) ** 2] = 0.0
    spread = np.sqrt(square_x) * np.sqrt(square_y)
    result = np.divide(product, spread, out=np.zeros(product.shape), where=spread != 0.0)
    return pad(np.clip(result, -1.0, 1.0), x.shape[-1])


def log_ratio(a: np.ndarray, b: np.ndarray, limit: float = 5.0) -> np.ndarray:
    """ln(a / b) of two non-negative series, within ± `limit`; 0 where b is 0, `-limit` where only a is 0."""
    return np.log(np.clip(roll.ratio(a, b, neutral=1.0), math.exp(-limit), math.exp(limit)))
