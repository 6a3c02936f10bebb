"""How predictable the order of recent closes and returns is: entropies of symbols, order patterns and recurrences.

Each depends on nothing but its window, to the last bit; NaN until the window is full.
"""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._shared import log_return, volatility
from deepstack.features.bars import Bars

SYMBOL_EDGES = (-1.0, -0.3, 0.3, 1.0)
"""Edges, in standard deviations, of the five symbols that Shannon's entropy counts."""

RECURRENCE_BARS = 10
RECURRENCE_SIGMAS = 0.5


def entropy(symbols: np.ndarray, count: int, n: int) -> np.ndarray:
    """Entropy in nats of the frequencies of symbols 0 … count - 1 among the last n; NaN where one of them is NaN.

    Counts are integers, so running sums of them are exact.
    """
    out = np.full(len(symbols), np.nan)
    if len(symbols) < n:
        return out
    seen = np.zeros((count, len(symbols) + 1), dtype=np.int32)
    np.cumsum(symbols == np.arange(count)[:, None], axis=1, out=seen[:, 1:])
    counts = seen[:, n:] - seen[:, :-n]
    share = np.arange(n + 1) / n
    term = -share * np.log(share, out=np.zeros(n + 1), where=share != 0.0)
    out[n - 1 :] = np.where(counts.sum(axis=0) == n, term[counts].sum(axis=0), np.nan)
    return out


def ordinal_pattern(bars: Bars, order: int) -> np.ndarray:
    """Code of how the last `order` closes are ordered, equal ones by age: a mixed-radix number of pair comparisons."""
    code = np.zeros(len(bars))
    radix = 1.0
    for newer in range(order - 1):
        smaller = np.zeros(len(bars))
        for older in range(newer + 1, order):
            earlier = roll.lag(bars.close, older)
            smaller += np.where(np.isnan(earlier), np.nan, roll.lag(bars.close, newer) < earlier)
        code += radix * smaller
        radix *= order - newer
    return code


def shannon_entropy(bars: Bars) -> np.ndarray:
    """Shannon (1948) entropy of the last 50 returns, binned in sigmas, as a share of its largest value."""
    sigmas = roll.ratio(log_return(bars), volatility(bars, 50))
    symbols = np.where(np.isnan(sigmas), np.nan, np.searchsorted(SYMBOL_EDGES, sigmas))
    return entropy(symbols, len(SYMBOL_EDGES) + 1, 50) / math.log(len(SYMBOL_EDGES) + 1)


def approximate_entropy(bars: Bars) -> np.ndarray:
    """Pincus (1991) at m = 1 on the signs of the returns: entropy of pairs less entropy of singles."""
    sign = np.sign(log_return(bars)) + 1.0
    pairs = entropy(3.0 * roll.lag(sign, 1) + sign, 9, 100)
    return (pairs - entropy(sign, 3, 100)) / math.log(3.0)


def sample_entropy(bars: Bars) -> np.ndarray:
    """Richman & Moorman (2000) at m = 1, with pairs at most 10 bars apart and the tolerance of the later bar."""
    r = log_return(bars)
    tolerance = RECURRENCE_SIGMAS * volatility(bars, 50)
    single, double = np.zeros(len(r)), np.zeros(len(r))
    previous_tolerance = roll.lag(tolerance, 1)
    gap = np.empty(len(r))
    for k in range(1, RECURRENCE_BARS + 1):
        np.abs(r - roll.lag(r, k), out=gap)
        before = roll.lag(gap, 1) <= previous_tolerance
        single += before
        double += before & (gap <= tolerance)
    valid = np.where(np.isnan(tolerance), np.nan, 0.0)
    return np.log((roll.total(single + valid, 50) + 1.0) / (roll.total(double + valid, 50) + 1.0))
