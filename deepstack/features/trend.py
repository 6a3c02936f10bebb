"""How straight, how steep and how agreed the movement is: regression, efficiency, bar counts over several horizons."""

from collections.abc import Callable

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import in_atr
from deepstack.features._shared import atr_lookback, log_return
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

ATR_BARS = 14
SCALES = (5, 10, 20, 50, 100)
T_CAP = 50.0

_STRAIGHT = 1e-9
"""1 - R² below this is rounding: the line fits exactly."""


def _log_close(b: Bars) -> np.ndarray:
    return b.once("log_close", lambda: np.log(b.close))


def _slope(b: Bars, n: int) -> np.ndarray:
    """Least-squares slope of the close over n, price a bar. Lookback n."""
    return b.once(("slope", n), lambda: roll.slope(b.close, n))


def _line_correlation(b: Bars, n: int) -> np.ndarray:
    return b.once(("line_correlation", n), lambda: roll.trend_correlation(_log_close(b), n))


def _correlation(n: int) -> Feature:
    return Feature(
        f"trend_correlation_{n}",
        f"correlation of ln(close) with time over {n}; its square is R²",
        "fraction",
        n,
        lambda b: _line_correlation(b, n),
    )


def _t_statistic(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        rho = _line_correlation(b, n)
        unexplained = np.maximum(1.0 - rho * rho, _STRAIGHT)
        return np.clip(rho * np.sqrt((n - 2) / unexplained), -T_CAP, T_CAP)

    return Feature(
        f"trend_t_{n}",
        f"t-statistic of the least-squares slope of ln(close) over {n}, within ±{T_CAP:g}",
        "sigma",
        n,
        compute,
    )


def _bend(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        half = _slope(b, n // 2)
        return in_atr(b, half - roll.lag(half, n // 2))

    return Feature(
        f"trend_bend_{n}",
        f"(slope of the last {n // 2} closes - slope of the {n // 2} before) / ATR({ATR_BARS})",
        "ATR / bar",
        max(n, atr_lookback(ATR_BARS)),
        compute,
    )


def _efficiency(n: int) -> Feature:
    """Kaufman's efficiency ratio (1995) with the sign of the move."""

    def compute(b: Bars) -> np.ndarray:
        step = np.abs(b.close - roll.lag(b.close, 1))
        return roll.ratio(b.close - roll.lag(b.close, n), roll.total(step, n))

    return Feature(
        f"efficiency_{n}", f"(close - close {n} bars ago) / sum of absolute one-bar changes", "fraction", n + 1, compute
    )


def _sign_balance(n: int) -> Feature:
    return Feature(
        f"up_down_balance_{n}",
        f"mean over {n} of sign(close - previous close)",
        "fraction",
        n + 1,
        lambda b: roll.mean(np.sign(log_return(b)), n),
    )


def _persistence(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        sign = np.sign(log_return(b))
        return roll.mean(sign * roll.lag(sign, 1), n)

    return Feature(
        f"sign_persistence_{n}", f"mean over {n} of sign(return) x sign(previous return)", "fraction", n + 2, compute
    )


def _structure(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        highs = np.sign(b.high - roll.lag(b.high, 1))
        lows = np.sign(b.low - roll.lag(b.low, 1))
        return roll.mean(0.5 * (highs + lows), n)

    return Feature(
        f"high_low_structure_{n}",
        f"mean over {n} of half of sign(change of high) + sign(change of low)",
        "fraction",
        n + 1,
        compute,
    )


def _swing(n: int) -> Feature:
    """Dow's test: the last half-window makes both a higher high and a higher low than the one before it."""

    def compute(b: Bars) -> np.ndarray:
        high, low = roll.highest(b.high, n), roll.lowest(b.low, n)
        return 0.5 * (np.sign(high - roll.lag(high, n)) + np.sign(low - roll.lag(low, n)))

    return Feature(
        f"swing_{n}",
        f"half of sign(highest high of {n} - that of the {n} before) + the same of the lows",
        "score",
        2 * n,
        compute,
    )


def _over_scales(name: str, formula: str, lookback: int, one: Callable[[Bars, int], np.ndarray]) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        score = one(b, SCALES[0])
        for n in SCALES[1:]:
            score = score + one(b, n)
        return score / len(SCALES)

    scales = ", ".join(map(str, SCALES))
    return Feature(name, f"mean over n = {scales} of {formula}", "score", lookback, compute)


def _direction(b: Bars, n: int) -> np.ndarray:
    return np.sign(b.close - roll.lag(b.close, n))


def _slope_ratio(short: int, long: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        fast, slow = _slope(b, short), _slope(b, long)
        return roll.ratio(fast - slow, np.abs(fast) + np.abs(slow))

    return Feature(
        f"slope_balance_{short}_{long}",
        f"(slope over {short} - slope over {long}) / the sum of their absolute values",
        "fraction",
        long,
        compute,
    )


TREND_CORRELATION_20 = _correlation(20)
TREND_CORRELATION_50 = _correlation(50)
EFFICIENCY_20 = _efficiency(20)
UP_DOWN_BALANCE_20 = _sign_balance(20)
TREND_AGREEMENT = _over_scales("trend_agreement", "sign(close - close n bars ago)", max(SCALES) + 1, _direction)

FEATURES: tuple[Feature, ...] = (
    _correlation(10),
    TREND_CORRELATION_20,
    TREND_CORRELATION_50,
    _correlation(100),
    _correlation(200),
    *(_t_statistic(n) for n in (20, 50, 100)),
    *(_bend(n) for n in (20, 50)),
    _slope_ratio(10, 50),
    _efficiency(10),
    EFFICIENCY_20,
    _efficiency(100),
    _sign_balance(10),
    UP_DOWN_BALANCE_20,
    _sign_balance(50),
    *(_persistence(n) for n in (20, 50)),
    *(_structure(n) for n in (10, 20)),
    *(_swing(n) for n in (10, 20, 50)),
    TREND_AGREEMENT,
    _over_scales("trend_score", "the correlation of ln(close) with time", max(SCALES), _line_correlation),
)
