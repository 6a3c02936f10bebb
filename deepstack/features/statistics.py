"""Statistics of the return series: moments, dependence over time, entropies, scaling, ranks and runs.

Sample figures over a trailing window, population forms. All start from log returns, so they carry no price level.
"""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._entropies import (
    approximate_entropy,
    entropy,
    ordinal_pattern,
    sample_entropy,
    shannon_entropy,
)
from deepstack.features._fold import fold, join_fourth, join_variance, pad
from deepstack.features._measures import correlations, log_ratio
from deepstack.features._shared import log_return, volatility
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

LAGS = (1, 2, 5, 10)
SIZE_LAGS = (1, 5)
SCALES = (1, 2, 4, 8, 16)

MAD_SIGMA = 1.4826
"""Standard deviations in a median absolute deviation of a normal variable."""


def _moments(bars: Bars, n: int) -> np.ndarray:
    """Population skewness and excess kurtosis of the last n log returns, [2, bars]; 0 where they are constant."""

    def compute() -> np.ndarray:
        zero = np.zeros(len(bars))
        _, second, third, fourth = fold((log_return(bars), zero, zero, zero), n, join_fourth)
        variance = second / n
        skew = roll.ratio(third / n, variance * np.sqrt(variance))
        return pad(np.stack((skew, roll.ratio(fourth / n, variance * variance, neutral=3.0) - 3.0)), len(bars))

    return bars.once(("moments", n), compute)


def _skewness(n: int) -> Feature:
    formula = f"population skewness of the last {n} log returns, 0 if they are constant"
    return Feature(f"skewness_{n}", formula, "ratio", n + 1, lambda b: _moments(b, n)[0])


def _kurtosis(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return np.log(np.maximum(_moments(b, n)[1] + 3.0, 1.0) / 3.0)

    formula = f"ln(population kurtosis of the last {n} log returns / 3), 0 if they are constant"
    return Feature(f"kurtosis_{n}", formula, "log ratio", n + 1, compute)


def _jarque_bera(bars: Bars) -> np.ndarray:
    """Jarque & Bera (1987)."""
    skew, excess = _moments(bars, 100)
    return np.log1p(100.0 / 6.0 * (skew * skew + 0.25 * excess * excess))


def _dependence(bars: Bars) -> np.ndarray:
    """Correlations over 100, [rows, bars]: return and size with LAGS, SIZE_LAGS before; size with the last return."""

    def compute() -> np.ndarray:
        r = log_return(bars)
        size = np.abs(r)
        past = np.stack([roll.lag(r, k) for k in LAGS])
        now = np.stack([r] * len(LAGS) + [size] * len(SIZE_LAGS) + [size])
        before = np.concatenate((past, [roll.lag(size, k) for k in SIZE_LAGS], past[:1]))
        return correlations(now, before, 100)

    return bars.once("dependence", compute)


def _autocorrelation(k: int) -> Feature:
    formula = f"correlation over 100 of the log return and the one {k} bars earlier, 0 if either is constant"
    row = LAGS.index(k)
    return Feature(f"autocorrelation_{k}_100", formula, "correlation", 101 + k, lambda b: _dependence(b)[row])


def _size_autocorrelation(k: int) -> Feature:
    formula = f"correlation over 100 of the absolute log return and the one {k} bars earlier: volatility clustering"
    row = len(LAGS) + SIZE_LAGS.index(k)
    return Feature(f"absolute_autocorrelation_{k}_100", formula, "correlation", 101 + k, lambda b: _dependence(b)[row])


def _partial_autocorrelation(bars: Bars) -> np.ndarray:
    first, second = _dependence(bars)[:2]
    left = 1.0 - first * first
    return np.clip(roll.ratio(second - first * first, np.where(left < 1e-6, 0.0, left)), -1.0, 1.0)


def _ljung_box(bars: Bars) -> np.ndarray:
    statistic = [row * row / (100.0 - k) for k, row in zip(LAGS, _dependence(bars), strict=False)]
    return np.log1p(100.0 * 102.0 * sum(statistic[1:], statistic[0]))


def _permutation_entropy(order: int, n: int) -> Feature:
    states = math.factorial(order)

    def compute(b: Bars) -> np.ndarray:
        pattern = b.once(("ordinal_pattern", order), lambda: ordinal_pattern(b, order))
        return entropy(pattern, states, n) / math.log(states)

    formula = f"entropy of the order patterns of {order} closes over {n} / ln({order}!) (Bandt & Pompe 2002)"
    return Feature(f"permutation_entropy_{order}_{n}", formula, "fraction", n + order - 1, compute)


def _spreads(bars: Bars) -> np.ndarray:
    """Standard deviation over 100 of the k-bar log return for k in SCALES, [scales, bars]. Lookback 100 + k."""

    def compute() -> np.ndarray:
        returns = [log_return(bars)]
        for k in SCALES[:-1]:
            returns.append(returns[-1] + roll.lag(returns[-1], k))
        stacked = np.stack(returns)
        second = fold((stacked, np.zeros(stacked.shape)), 100, join_variance)[1]
        return pad(np.sqrt(second / 100.0), len(bars))

    return bars.once("spreads", compute)


def _variance_ratio(k: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        spreads = _spreads(b)
        return log_ratio(spreads[SCALES.index(k)], spreads[0] * math.sqrt(k))

    formula = f"ln(std of {k}-bar log returns / (std of log returns x sqrt({k}))) over 100 (Lo & MacKinlay 1988)"
    return Feature(f"variance_ratio_{k}_100", formula, "log ratio", 100 + k, compute)


def _hurst(bars: Bars) -> np.ndarray:
    """Least-squares slope of ln std against ln k over SCALES, less the 1/2 of a random walk."""
    spreads = _spreads(bars)
    alive = np.all(spreads != 0.0, axis=0)
    logs = np.log(np.where(alive, spreads, 1.0))
    slope = (2.0 * (logs[4] - logs[0]) + (logs[3] - logs[1])) / (10.0 * math.log(2.0))
    return np.where(alive, np.clip(slope - 0.5, -1.5, 1.5), 0.0)


def _rescaled_range(bars: Bars) -> np.ndarray:
    """Hurst (1951): ln(R / S) / ln(n) over 32 returns, less 1/2; 0 where they are constant."""
    n, price = 32, np.log(bars.close)
    start, rows = price[: max(len(price) - n, 0)], max(len(price) - n, 0)
    drift = (price[n:] - start) / n
    top, bottom, deviation = np.zeros(rows), np.zeros(rows), np.empty(rows)
    for k in range(1, n):
        np.subtract(price[k : k + rows], start, out=deviation)
        np.subtract(deviation, k * drift, out=deviation)
        np.maximum(top, deviation, out=top)
        np.minimum(bottom, deviation, out=bottom)
    spread = roll.ratio(pad(top - bottom, len(price)), volatility(bars, n), neutral=math.sqrt(n))
    return np.log(np.maximum(spread, 1.0)) / math.log(n) - 0.5


def _median_z(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        deviation = np.log(b.close / roll.median(b.close, n))
        scale = MAD_SIGMA * roll.median(np.abs(deviation), n)
        return np.clip(roll.ratio(deviation, scale), -20.0, 20.0)

    formula = f"ln(close / median of {n}) / (1.4826 x median over {n} of its absolute value), within ±20"
    return Feature(f"median_z_{n}", formula, "sigma", 2 * n - 1, compute)


def _return_rank(n: int) -> Feature:
    formula = f"rank of the absolute log return among the last {n}, -1 lowest, 1 highest, ties in the middle"
    return Feature(f"absolute_return_rank_{n}", formula, "rank", n + 1, lambda b: roll.rank(np.abs(log_return(b)), n))


def _median_skew(bars: Bars) -> np.ndarray:
    r = log_return(bars)
    return 3.0 * roll.ratio(roll.mean(r, 50) - roll.median(r, 50), volatility(bars, 50))


def _runs(bars: Bars) -> np.ndarray:
    """Wald & Wolfowitz (1940) on the signs of 50 returns: 0 when one sign is missing."""
    n = 50
    r = log_return(bars)
    up = np.where(np.isnan(r), np.nan, r > 0.0)
    ups = roll.total(up, n)
    changes = roll.total(np.abs(up - roll.lag(up, 1)), n - 1)
    product = 2.0 * ups * (n - ups)
    spread = np.sqrt(np.maximum(product * (product - n), 0.0) / (n * n * (n - 1.0)))
    return roll.ratio(changes - product / n, spread)


def _turning_points(bars: Bars) -> np.ndarray:
    """Kendall's turning-point test: (turns - 2 n / 3) / sqrt(8 n / 45) for n inner points."""
    r = log_return(bars)
    turn = np.where(np.isnan(roll.lag(r, 2)), np.nan, (r - roll.lag(r, 1)) * (roll.lag(r, 1) - roll.lag(r, 2)) < 0.0)
    return (roll.total(turn, 48) - 32.0) / math.sqrt(8.0 * 48.0 / 45.0)


FEATURES: tuple[Feature, ...] = (
    *(_skewness(n) for n in (50, 100)),
    *(_kurtosis(n) for n in (50, 100)),
    Feature(
        "jarque_bera_100", "ln(1 + 100 / 6 x (skewness² + excess kurtosis² / 4)) of the last 100 log returns",
        "log statistic", 101, _jarque_bera,
    ),
    *(_autocorrelation(k) for k in LAGS),
    *(_size_autocorrelation(k) for k in SIZE_LAGS),
    Feature(
        "partial_autocorrelation_2_100", "(a2 - a1²) / (1 - a1²), ak = autocorrelation_k_100", "correlation", 103,
        _partial_autocorrelation,
    ),
    Feature(
        "ljung_box_100", "ln(1 + 100 x 102 x sum of ak² / (100 - k)), k = 1, 2, 5, 10 (Ljung & Box 1978)",
        "log statistic", 111, _ljung_box,
    ),
    Feature(
        "leverage_correlation_100", "correlation over 100 of the previous log return and the absolute log return",
        "correlation", 102, lambda b: _dependence(b)[-1],
    ),
    *(_permutation_entropy(order, n) for order, n in ((3, 50), (4, 100))),
    Feature(
        "shannon_entropy_50", "entropy over 50 of log return / std of 50 cut at -1, -0.3, 0.3, 1, / ln 5", "fraction",
        100, shannon_entropy,
    ),
    Feature(
        "approximate_entropy_100", "(entropy of pairs - of singles) of return signs over 100 / ln 3 (Pincus 1991)",
        "fraction", 102, approximate_entropy,
    ),
    Feature(
        "sample_entropy_50",
        "ln((1 + b) / (1 + a)) over 50: b one, a two successive returns within sigma / 2 of those up to 20 bars "
        "before", "nats", 122, sample_entropy,
    ),
    *(_variance_ratio(k) for k in (2, 4, 8)),
    Feature(
        "hurst_100", "slope of ln std of k-bar log returns over 100 against ln k, k = 1 … 16, - 1/2", "exponent", 116,
        _hurst,
    ),
    Feature(
        "rescaled_range_32", "ln(range of cumulated deviations / std of 32 log returns) / ln 32 - 1/2 (Hurst 1951)",
        "exponent", 33, _rescaled_range,
    ),
    *(_median_z(n) for n in (20, 100)),
    *(_return_rank(n) for n in (20, 100)),
    Feature(
        "median_skew_50", "3 (mean - median) / std of the last 50 log returns (Pearson)", "ratio", 51, _median_skew,
    ),
    Feature("runs_50", "z of the sign changes of 50 log returns (Wald & Wolfowitz 1940)", "sigma", 51, _runs),
    Feature(
        "turning_points_50", "z of the turning points of the last 50 log returns (Kendall)", "sigma", 51,
        _turning_points,
    ),
)  # fmt: skip
