"""How much prices move: range estimators, ratios between horizons, and where volatility stands in its own past.

All estimators are per bar, in log return, not annualised.
"""

import math
from collections.abc import Callable

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._shared import atr, atr_lookback, log_return, true_range, volatility
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

Estimate = Callable[[Bars], np.ndarray]
Estimator = Callable[[Bars, int], np.ndarray]


def parkinson(bars: Bars, n: int) -> np.ndarray:
    """Parkinson (1980): sqrt(mean(ln(high / low)²) / (4 ln 2)). Lookback n."""

    def compute() -> np.ndarray:
        spread = bars.once("log_high_low", lambda: np.log(bars.high / bars.low))
        return np.sqrt(roll.mean(spread * spread, n) / (4.0 * math.log(2.0)))

    return bars.once(("parkinson", n), compute)


def garman_klass(bars: Bars, n: int) -> np.ndarray:
    """Garman & Klass (1980): sqrt(mean(½ ln(high / low)² - (2 ln 2 - 1) ln(close / open)²)). Lookback n."""

    def compute() -> np.ndarray:
        spread = bars.once("log_high_low", lambda: np.log(bars.high / bars.low))
        body = bars.once("log_close_open", lambda: np.log(bars.close / bars.open))
        # A candle whose body is its range makes the term at least 0.11 ln(high / low)²: never negative but by rounding.
        return np.sqrt(np.maximum(roll.mean(0.5 * spread * spread - (2.0 * math.log(2.0) - 1.0) * body * body, n), 0.0))

    return bars.once(("garman_klass", n), compute)


def _drift_free_variance(bars: Bars, n: int) -> np.ndarray:
    def compute() -> np.ndarray:
        above_close, above_open = np.log(bars.high / bars.close), np.log(bars.high / bars.open)
        below_close, below_open = np.log(bars.low / bars.close), np.log(bars.low / bars.open)
        return above_close * above_open + below_close * below_open

    return np.maximum(roll.mean(bars.once("rogers_satchell_term", compute), n), 0.0)


def rogers_satchell(bars: Bars, n: int) -> np.ndarray:
    """Rogers & Satchell (1991), unbiased under drift. Lookback n."""
    return bars.once(("rogers_satchell", n), lambda: np.sqrt(_drift_free_variance(bars, n)))


def yang_zhang(bars: Bars, n: int) -> np.ndarray:
    """Yang & Zhang (2000): gap variance + k x body variance + (1 - k) x Rogers-Satchell variance. Lookback n + 1."""

    def compute() -> np.ndarray:
        gap = np.log(bars.open / roll.lag(bars.close, 1))
        body = bars.once("log_close_open", lambda: np.log(bars.close / bars.open))
        k = 0.34 / (1.34 + (n + 1) / (n - 1))
        between, within = roll.variance(np.stack((gap, body)), n) * (n / (n - 1))
        return np.sqrt(between + k * within + (1.0 - k) * _drift_free_variance(bars, n))

    return bars.once(("yang_zhang", n), compute)


def _ratio_of(name: str, formula: str, unit: str, lookback: int, top: Estimate, bottom: Estimate) -> Feature:
    return Feature(name, formula, unit, lookback, lambda b: roll.ratio(top(b), bottom(b)))


def _horizons(short: int, long: int) -> Feature:
    return Feature(
        f"volatility_ratio_{short}_{long}",
        f"std of {short} log returns / std of {long}",
        "ratio",
        long + 1,
        lambda b: roll.ratio(volatility(b, short), volatility(b, long)),
    )


def _semivariance(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        r = log_return(b)
        return roll.ratio(roll.total(r * np.abs(r), n), roll.total(r * r, n))

    return Feature(
        f"semivariance_balance_{n}",
        f"(upside - downside semivariance) / their sum, over {n}",
        "fraction",
        n + 1,
        compute,
    )


def _jump_share(n: int) -> Feature:
    """Barndorff-Nielsen & Shephard (2004): the part of realised variance that bipower variation does not explain."""

    def compute(b: Bars) -> np.ndarray:
        size = np.abs(log_return(b))
        bipower = roll.mean(size * roll.lag(size, 1), n) * (math.pi / 2.0)
        return np.clip(1.0 - roll.ratio(bipower, roll.mean(size * size, n), neutral=1.0), 0.0, 1.0)

    return Feature(
        f"jump_share_{n}", f"max(0, 1 - bipower variation / realised variance) over {n}", "fraction", n + 2, compute
    )


def _largest_share(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        square = log_return(b) ** 2
        return roll.ratio(roll.highest(square, n), roll.total(square, n))

    return Feature(
        f"largest_move_share_{n}", f"largest squared log return / sum of squares, over {n}", "fraction", n + 1, compute
    )


def _vol_of_vol(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        sigma = volatility(b, 10)
        return roll.ratio(roll.std(sigma, n), roll.mean(sigma, n))

    return Feature(f"vol_of_vol_{n}", f"std / mean over {n} of the 10-bar volatility", "ratio", n + 10, compute)


def _volatility_slope(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        sigma = volatility(b, 10)
        return roll.ratio(roll.slope(sigma, n) * n, roll.mean(sigma, n))

    return Feature(
        f"volatility_slope_{n}",
        f"least-squares slope over {n} of the 10-bar volatility x {n} / its mean",
        "ratio",
        n + 10,
        compute,
    )


def _quiet_share(b: Bars) -> np.ndarray:
    quiet = (true_range(b) < 0.5 * atr(b, 14)).astype(float)
    return roll.mean(quiet, 20)


def _estimator_ratio(kind: str, estimator: Estimator, short: int, long: int) -> Feature:
    return Feature(
        f"{kind}_ratio_{short}_{long}",
        f"{kind} volatility over {short} / over {long}",
        "ratio",
        long,
        lambda b: roll.ratio(estimator(b, short), estimator(b, long)),
    )


VOLATILITY_RATIO_20_100 = _horizons(20, 100)
VOLATILITY_RANK_200 = Feature(
    "volatility_rank_200",
    "rank of the 20-bar volatility among its last 200 values, -1 lowest, 1 highest",
    "rank",
    220,
    lambda b: roll.rank(volatility(b, 20), 200),
)

FEATURES: tuple[Feature, ...] = (
    Feature("volatility_20", "std of the last 20 log returns", "log return", 21, lambda b: volatility(b, 20)),
    Feature("volatility_100", "std of the last 100 log returns", "log return", 101, lambda b: volatility(b, 100)),
    _ratio_of(
        "atr_fraction_14", "ATR(14) / close", "fraction", atr_lookback(14), lambda b: atr(b, 14), lambda b: b.close
    ),
    _ratio_of(
        "atr_ratio_7_20", "ATR(7) / ATR(20)", "ratio", atr_lookback(20), lambda b: atr(b, 7), lambda b: atr(b, 20)
    ),
    _ratio_of(
        "range_expansion_5_50",
        "mean true range of 5 / of 50",
        "ratio",
        51,
        lambda b: roll.mean(true_range(b), 5),
        lambda b: roll.mean(true_range(b), 50),
    ),
    *(_horizons(short, long) for short, long in ((5, 20), (10, 50))),
    VOLATILITY_RATIO_20_100,
    _horizons(50, 200),
    _ratio_of(
        "ewma_volatility_ratio_12_45",
        "root of the EMA of squared log returns, span 12 / span 45",
        "ratio",
        roll.ema_lookback(45) + 1,
        lambda b: np.sqrt(roll.ema(log_return(b) ** 2, 12)),
        lambda b: np.sqrt(roll.ema(log_return(b) ** 2, 45)),
    ),
    _ratio_of(
        "parkinson_to_close_20",
        "Parkinson volatility / std of log returns, over 20",
        "ratio",
        21,
        lambda b: parkinson(b, 20),
        lambda b: volatility(b, 20),
    ),
    _estimator_ratio("parkinson", parkinson, 10, 100),
    _ratio_of(
        "garman_klass_to_parkinson_20",
        "Garman-Klass / Parkinson volatility, over 20",
        "ratio",
        20,
        lambda b: garman_klass(b, 20),
        lambda b: parkinson(b, 20),
    ),
    _ratio_of(
        "rogers_satchell_to_parkinson_20",
        "Rogers-Satchell / Parkinson volatility, over 20",
        "ratio",
        20,
        lambda b: rogers_satchell(b, 20),
        lambda b: parkinson(b, 20),
    ),
    Feature(
        "yang_zhang_20",
        "sqrt(var(gap) + k var(body) + (1 - k) Rogers-Satchell variance), over 20",
        "log return",
        21,
        lambda b: yang_zhang(b, 20),
    ),
    _vol_of_vol(50),
    _volatility_slope(20),
    VOLATILITY_RANK_200,
    Feature(
        "true_range_rank_100",
        "rank of the 5-bar mean true range / close among its last 100, -1 lowest, 1 highest",
        "rank",
        105,
        lambda b: roll.rank(roll.mean(true_range(b), 5) / b.close, 100),
    ),
    *(_semivariance(n) for n in (20, 50)),
    *(_jump_share(n) for n in (20, 50)),
    *(_largest_share(n) for n in (20, 50)),
    Feature(
        "quiet_share_20",
        "share of the last 20 bars with true range < half of ATR(14)",
        "fraction",
        atr_lookback(14) + 19,
        _quiet_share,
    ),
)
