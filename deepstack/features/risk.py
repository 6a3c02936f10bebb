"""What holding the instrument over the last n bars would have been like: reward, drawdown, tails.

Ratios are per bar, not annualised.
"""

import math
from collections.abc import Callable

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._fold import State, fold, pad
from deepstack.features._shared import log_return, volatility
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

RATIO_CAP = 10.0
"""Ratios whose denominator can vanish by chance (a window without a loss) are capped at this."""

TAIL_BARS = 100
SORT_FIVE = ((0, 3), (1, 4), (0, 2), (1, 3), (0, 1), (2, 4), (1, 2), (3, 4), (2, 3))
"""Comparators that sort five values: Knuth, The Art of Computer Programming 3 (1998), section 5.3.4."""


def _capped(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -RATIO_CAP, RATIO_CAP)


def _mean_return(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("mean_return", n), lambda: roll.mean(log_return(bars), n))


def _downside(bars: Bars, n: int) -> np.ndarray:
    """Downside deviation about 0 (Sortino & van der Meer 1991), a bar."""

    def compute() -> np.ndarray:
        loss = np.minimum(log_return(bars), 0.0)
        return np.sqrt(roll.mean(loss * loss, n))

    return bars.once(("downside", n), compute)


def _sharpe(n: int) -> Feature:
    return Feature(
        f"sharpe_{n}",
        f"mean / std of the last {n} log returns, x sqrt({n})",
        "sigma",
        n + 1,
        lambda b: roll.ratio(_mean_return(b, n), volatility(b, n)) * math.sqrt(n),
    )


def _sortino(n: int) -> Feature:
    return Feature(
        f"sortino_{n}",
        f"mean log return / downside deviation, over {n}, within ±{RATIO_CAP:g}",
        "ratio",
        n + 1,
        lambda b: _capped(roll.ratio(_mean_return(b, n), _downside(b, n))),
    )


def _log_close(b: Bars) -> np.ndarray:
    return b.once("log_close", lambda: np.log(b.close))


def _drawdown(bars: Bars, n: int) -> np.ndarray:
    """ln(close / highest close of n), at most 0. Lookback n."""
    return bars.once(("drawdown", n), lambda: np.log(bars.close / roll.highest(bars.close, n)))


def _join_fall(older: State, newer: State, _n: int, _m: int) -> State:
    """State: highest, lowest, largest fall; a fall may start in the older window and end in the newer."""
    across = np.maximum(older[0] - newer[1], np.maximum(older[2], newer[2]))
    return np.maximum(older[0], newer[0]), np.minimum(older[1], newer[1]), across


def largest_fall(x: np.ndarray, n: int) -> np.ndarray:
    """Largest drop from an earlier to a later value within the last n, at least 0."""
    return pad(fold((x, x, np.zeros(len(x))), n, _join_fall)[2], len(x))


def _max_drawdown(bars: Bars, n: int) -> np.ndarray:
    """Largest fall of the log close within the last n closes, at least 0. Lookback n."""
    return bars.once(("max_drawdown", n), lambda: largest_fall(_log_close(bars), n))


def _max_runup(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("max_runup", n), lambda: largest_fall(-_log_close(bars), n))


def _ulcer(bars: Bars, n: int) -> np.ndarray:
    """Martin's ulcer index (1987), in log: root mean square over n of the n-bar drawdown. Lookback 2n - 1."""
    return np.sqrt(roll.mean(_drawdown(bars, n) ** 2, n))


def _in_sigma(name: str, formula: str, lookback: int, n: int, series: Callable[[Bars, int], np.ndarray]) -> Feature:
    return Feature(
        f"{name}_{n}",
        f"{formula} / (sigma of {TAIL_BARS} bars x sqrt({n}))",
        "sigma",
        max(lookback, TAIL_BARS + 1),
        lambda b: roll.ratio(series(b, n), volatility(b, TAIL_BARS) * math.sqrt(n)),
    )


def _calmar(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        change = np.log(b.close / roll.lag(b.close, n - 1))
        return _capped(roll.ratio(change, _max_drawdown(b, n)))

    return Feature(
        f"calmar_{n}",
        f"log return over the last {n} closes / their largest drawdown, within ±{RATIO_CAP:g}",
        "ratio",
        n,
        compute,
    )


def _join_lowest(older: State, newer: State, _n: int, _m: int) -> State:
    """State: the 5 lowest values, ascending; the 5 lowest of two such lists are these minima, put in order again."""
    low = [np.minimum(a, b) for a, b in zip(older, reversed(newer), strict=True)]
    for i, j in SORT_FIVE:
        low[i], low[j] = np.minimum(low[i], low[j]), np.maximum(low[i], low[j])
    return tuple(low)


def _tails(bars: Bars) -> np.ndarray:
    """The 5 lowest of the last 100 log returns and of their negatives: float64 [mean | mildest, low | high, bars]."""

    def compute() -> np.ndarray:
        r = np.stack((log_return(bars), -log_return(bars)))
        none = np.full(r.shape, np.inf)
        lowest = fold((r, none, none, none, none), TAIL_BARS, _join_lowest)
        return pad(np.stack((sum(lowest[1:], lowest[0]) / len(lowest), lowest[-1])), len(bars))

    return bars.once("tails", compute)


def _tail(name: str, formula: str, side: int, row: int, sign: float) -> Feature:
    return Feature(
        f"{name}_{TAIL_BARS}",
        f"{formula} of the last {TAIL_BARS} log returns / their std",
        "sigma",
        TAIL_BARS + 1,
        lambda b: roll.ratio(sign * _tails(b)[row, side], volatility(b, TAIL_BARS)),
    )


def _tail_balance(b: Bars) -> np.ndarray:
    worst, best = _tails(b)[0, 0], -_tails(b)[0, 1]
    return roll.ratio(best + worst, best - worst)


def _gain_to_pain(n: int) -> Feature:
    """Schwager (2012)."""

    def compute(b: Bars) -> np.ndarray:
        r = log_return(b)
        return _capped(roll.ratio(roll.total(r, n), roll.total(np.maximum(-r, 0.0), n)))

    return Feature(
        f"gain_to_pain_{n}",
        f"sum of the last {n} log returns / sum of their losses, within ±{RATIO_CAP:g}",
        "ratio",
        n + 1,
        compute,
    )


def _payoff(n: int) -> Feature:
    """Mean gain against mean loss, bounded: 1 without a loss, -1 without a gain."""

    def compute(b: Bars) -> np.ndarray:
        r = log_return(b)
        gain = roll.ratio(roll.total(np.maximum(r, 0.0), n), roll.total((r > 0.0).astype(float), n))
        loss = roll.ratio(roll.total(np.maximum(-r, 0.0), n), roll.total((r < 0.0).astype(float), n))
        return roll.ratio(gain - loss, gain + loss)

    return Feature(
        f"payoff_balance_{n}",
        f"(mean gain - mean loss) / (mean gain + mean loss), of {n} log returns",
        "fraction",
        n + 1,
        compute,
    )


def _under_water(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return roll.mean((_drawdown(b, n) < 0.0).astype(float), n)

    return Feature(
        f"under_water_{n}", f"share of the last {n} closes below their {n}-bar high", "fraction", 2 * n - 1, compute
    )


def _extreme(name: str, sign: float, n: int) -> Feature:
    return Feature(
        f"{name}_return_{n}",
        f"{name} log return of {n} / sigma of {TAIL_BARS} bars",
        "sigma",
        TAIL_BARS + 1,
        lambda b: roll.ratio(sign * roll.highest(sign * log_return(b), n), volatility(b, TAIL_BARS)),
    )


SHARPE_50 = _sharpe(50)

FEATURES: tuple[Feature, ...] = (
    _sharpe(20),
    SHARPE_50,
    _sharpe(200),
    *(_sortino(n) for n in (20, 50)),
    *(_in_sigma("drawdown", f"ln(close / highest close of {n})", n, n, _drawdown) for n in (20, 50, 100, 200)),
    *(
        _in_sigma("max_drawdown", f"largest fall of ln(close) within {n} bars", n, n, _max_drawdown)
        for n in (20, 50, 100)
    ),
    *(_in_sigma("max_runup", f"largest rise of ln(close) within {n} bars", n, n, _max_runup) for n in (20, 50, 100)),
    *(
        _in_sigma("ulcer", f"root mean square over {n} of ln(close / highest close of {n})", 2 * n - 1, n, _ulcer)
        for n in (20, 50)
    ),
    *(_calmar(n) for n in (20, 50, 100)),
    _tail("value_at_risk_05", "5th lowest", 0, 1, 1.0),
    _tail("expected_shortfall_05", "mean of the 5 lowest", 0, 0, 1.0),
    _tail("upper_quantile_95", "5th highest", 1, 1, -1.0),
    Feature(
        "tail_balance_100",
        "(mean of the 5 highest + mean of the 5 lowest) / their distance, of the last 100 log returns",
        "fraction",
        101,
        _tail_balance,
    ),
    *(_gain_to_pain(n) for n in (20, 50)),
    _payoff(50),
    *(_under_water(n) for n in (20, 50)),
    *(_extreme("worst", -1.0, n) for n in (10, 50)),
    *(_extreme("best", 1.0, n) for n in (10, 50)),
)
