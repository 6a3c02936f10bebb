"""Bid-ask spreads estimated from candles alone, as fractions of the price, a value a bar."""

import math

import numpy as np
from scipy.special import ndtri

from deepstack.features import _rolling as roll
from deepstack.features._measures import price_change
from deepstack.features._shared import log_return, volatility
from deepstack.features.bars import Bars

_CORWIN_SCHULTZ = 3.0 - 2.0 * math.sqrt(2.0)


def roll_spread(bars: Bars) -> np.ndarray:
    """Roll (1984): 2 sqrt(-cov of successive returns), 0 where the covariance is positive. Lookback 102."""

    def compute() -> np.ndarray:
        r = log_return(bars)
        return 2.0 * np.sqrt(np.maximum(-roll.covariance(r, roll.lag(r, 1), 100), 0.0))

    return bars.once("roll_spread", compute)


def corwin_schultz(bars: Bars) -> np.ndarray:
    """Corwin & Schultz (2012) from two bars, negative estimates as 0; no gap adjustment. Lookback 2."""

    def compute() -> np.ndarray:
        high, low = np.maximum(bars.high, roll.lag(bars.high, 1)), np.minimum(bars.low, roll.lag(bars.low, 1))
        single = np.log(bars.high / bars.low) ** 2
        beta, gamma = single + roll.lag(single, 1), np.log(high / low) ** 2
        alpha = np.sqrt(beta) * (math.sqrt(2.0) - 1.0) / _CORWIN_SCHULTZ - np.sqrt(gamma / _CORWIN_SCHULTZ)
        return 2.0 * np.tanh(0.5 * np.maximum(alpha, 0.0))

    return bars.once("corwin_schultz", compute)


def abdi_ranaldo(bars: Bars) -> np.ndarray:
    """Abdi & Ranaldo (2017), two-bar corrected: the close before against its own and the next mid-range. Lookback 2."""

    def compute() -> np.ndarray:
        close, high, low = (roll.lag(x, 1) for x in (bars.close, bars.high, bars.low))
        own = 0.5 * (np.log(close / high) + np.log(close / low))
        following = 0.5 * (np.log(close / bars.high) + np.log(close / bars.low))
        return 2.0 * np.sqrt(np.maximum(own * following, 0.0))

    return bars.once("abdi_ranaldo", compute)


def unmoved(bars: Bars) -> np.ndarray:
    """1 where the close is that of the bar before, else 0; NaN in the first bar."""
    change = price_change(bars)
    return np.where(np.isnan(change), np.nan, change == 0.0)


def zero_return_spread(bars: Bars) -> np.ndarray:
    """Fong, Holden & Trzcinka (2017)."""
    share = roll.mean(unmoved(bars), 100)
    quantile = ndtri(0.5 * (1.0 + np.minimum(share, 0.99)))
    return 2.0 * quantile * volatility(bars, 100)
