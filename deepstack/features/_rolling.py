"""Rolling statistics that depend on nothing but their window, to the last bit.

Running sums (add the new value, subtract the old one) carry rounding left behind by values that departed long ago, so
the same window gives different bits at different places, and a quiet stretch after a crash loses all its digits. Here
sums, moments and averages are joined by doubling (see `_fold`), order statistics come from bottleneck, which compares
values only.

All functions take float64 arrays [bars] and return float64 arrays [bars] whose first n - 1 values (and those whose
window holds a NaN) are NaN. `total`, `mean`, `std`, `variance`, `ema` and `wilder` also take several series at once,
[..., bars].
"""

import math

import bottleneck as bn
import numpy as np

from deepstack.features import _fold as join
from deepstack.features._fold import State, fold, pad

TAIL_WEIGHT = 1e-8
"""Weight below which the tail of an exponential average is cut."""

TAIL_DIGITS = 4

_CONSTANT = 1e-10
"""A standard deviation below this share of the window's mean is rounding, and counts as 0."""


def lag(x: np.ndarray, bars: int) -> np.ndarray:
    """The value `bars` bars ago; the first `bars` are NaN."""
    return pad(x[: max(len(x) - bars, 0)], len(x))


def ratio(a: np.ndarray, b: np.ndarray, neutral: float = 0.0) -> np.ndarray:
    """a / b, and `neutral` where b is exactly 0; NaN stays NaN."""
    out = np.empty(a.shape)
    out.fill(neutral)
    return np.divide(a, b, out=out, where=np.not_equal(b, 0.0))


def windows(x: np.ndarray, n: int) -> np.ndarray:
    """Read-only view [bars, n] of the trailing windows, oldest first; missing values before the start are NaN.

    Sort, compare and count along the last axis freely; for sums use `total` and `mean`, which are faster.
    """
    return np.lib.stride_tricks.sliding_window_view(np.concatenate((np.full(n - 1, np.nan), x)), n)


def total(x: np.ndarray, n: int) -> np.ndarray:
    """Sum of the last n."""
    return pad(fold((x,), n, join.join_total)[0], x.shape[-1])


def mean(x: np.ndarray, n: int) -> np.ndarray:
    """Mean of the last n; exactly c over a window of constant c."""
    return pad(fold((x,), n, join.join_mean)[0], x.shape[-1])


def variance(x: np.ndarray, n: int) -> np.ndarray:
    """Population variance of the last n; exactly 0 over a constant window."""
    return _square(std(x, n))


def std(x: np.ndarray, n: int) -> np.ndarray:
    """Population standard deviation of the last n; 0 where it is below 1e-10 of the absolute mean."""
    return _mean_std(x, n)[1]


def zscore(x: np.ndarray, n: int) -> np.ndarray:
    """(x - mean) / std over the last n; 0 where the window is constant."""
    centre, spread = _mean_std(x, n)
    return ratio(x - centre, spread)


def skew(x: np.ndarray, n: int) -> np.ndarray:
    """Population skewness of the last n; 0 where the window is constant."""
    zero = np.zeros(len(x))
    centre, second, third = fold((x, zero, zero), n, join.join_third)
    spread = _floored(np.sqrt(second / n), centre)
    return pad(ratio(third / n, spread * spread * spread), len(x))


def kurtosis(x: np.ndarray, n: int) -> np.ndarray:
    """Population excess kurtosis of the last n; 0 where the window is constant."""
    zero = np.zeros(len(x))
    centre, second, _, fourth = fold((x, zero, zero, zero), n, join.join_fourth)
    square = _square(_floored(np.sqrt(second / n), centre))
    return pad(ratio(fourth / n, square * square, neutral=3.0) - 3.0, len(x))


def covariance(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Population covariance of the last n pairs."""
    return pad(_pairs(x, y, n)[4] / n, len(x))


def correlation(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Pearson correlation of the last n pairs in [-1, 1]; 0 where either window is constant."""
    mean_x, mean_y, square_x, square_y, product = _pairs(x, y, n)
    spread = _floored(np.sqrt(square_x / n), mean_x) * _floored(np.sqrt(square_y / n), mean_y)
    return np.clip(pad(ratio(product / n, spread), len(x)), -1.0, 1.0)


def slope(x: np.ndarray, n: int) -> np.ndarray:
    """Least-squares slope of the last n against time, per bar."""
    return pad(fold((x, np.zeros(len(x))), n, join.join_trend)[1] * _per_bar(n), len(x))


def trend_correlation(x: np.ndarray, n: int) -> np.ndarray:
    """Pearson correlation of the last n with time, in [-1, 1]; its square is R² of the regression line."""
    return line(x, n)[3]


def line(x: np.ndarray, n: int) -> np.ndarray:
    """Least-squares line through the last n, float64 [4, bars]: mean, slope a bar, std of x, correlation with time.

    The line ends at mean + slope × (n - 1) / 2; its residuals have std × sqrt(1 - correlation²).
    """
    centre, second, with_time = fold((x, np.zeros(len(x)), np.zeros(len(x))), n, join.join_line)
    out = np.full((4, len(x)), np.nan)
    full = out[:, len(x) - len(centre) :]
    full[0], full[1], full[2] = centre, with_time * _per_bar(n), _floored(np.sqrt(second / n), centre)
    full[3] = ratio(full[1] * math.sqrt((n * n - 1.0) / 12.0), full[2])
    np.clip(full[3], -1.0, 1.0, out=full[3])
    return out


def highest(x: np.ndarray, n: int) -> np.ndarray:
    """Maximum of the last n."""
    return bn.move_max(x, n) if len(x) >= n else np.full(len(x), np.nan)


def lowest(x: np.ndarray, n: int) -> np.ndarray:
    """Minimum of the last n."""
    return bn.move_min(x, n) if len(x) >= n else np.full(len(x), np.nan)


def bars_since_highest(x: np.ndarray, n: int) -> np.ndarray:
    """Bars since the maximum of the last n, 0 … n - 1; the latest of equal maxima counts."""
    return bn.move_argmax(x, n) if len(x) >= n else np.full(len(x), np.nan)


def bars_since_lowest(x: np.ndarray, n: int) -> np.ndarray:
    """Bars since the minimum of the last n, 0 … n - 1; the latest of equal minima counts."""
    return bn.move_argmin(x, n) if len(x) >= n else np.full(len(x), np.nan)


def rank(x: np.ndarray, n: int) -> np.ndarray:
    """Rank of the current value among the last n, from -1 (lowest) to 1 (highest); ties share the middle."""
    return bn.move_rank(x, n) if len(x) >= n else np.full(len(x), np.nan)


def median(x: np.ndarray, n: int) -> np.ndarray:
    """Median of the last n."""
    return bn.move_median(x, n) if len(x) >= n else np.full(len(x), np.nan)


def ema(x: np.ndarray, span: float) -> np.ndarray:
    """Exponential average with smoothing 2 / (span + 1), cut after `ema_lookback(span)` bars and renormalised."""
    return _exponential(x, 1.0 - 2.0 / (span + 1.0), ema_lookback(span))


def ema_lookback(span: float) -> int:
    """Bars that `ema` looks back: the weight beyond is below 1e-8. About 9.21 × (span + 1), rounded up a little."""
    return _tail_bars(1.0 - 2.0 / (span + 1.0))


def wilder(x: np.ndarray, period: int) -> np.ndarray:
    """Wilder's smoothing, 1 / period, cut after `wilder_lookback(period)` bars and renormalised."""
    return _exponential(x, 1.0 - 1.0 / period, wilder_lookback(period))


def wilder_lookback(period: int) -> int:
    """Bars that `wilder` looks back: the weight beyond is below 1e-8. About 18.4 × period, rounded up a little."""
    return _tail_bars(1.0 - 1.0 / period)


def _tail_bars(decay: float) -> int:
    """Rounded up to few binary digits, since every digit costs `fold` a pass."""
    if decay <= 0.0:
        return 1
    bars = math.ceil(math.log(TAIL_WEIGHT) / math.log(decay))
    step = 2 ** max(bars.bit_length() - TAIL_DIGITS, 0)
    return math.ceil(bars / step) * step


def _exponential(x: np.ndarray, decay: float, n: int) -> np.ndarray:
    if decay <= 0.0:
        return x.astype(float)

    def join_weighted(older: State, newer: State, older_size: int, newer_size: int) -> State:
        # Both sides are normalised, so that the average of a constant is exactly the constant.
        share = decay**newer_size * (1.0 - decay**older_size) / (1.0 - decay ** (older_size + newer_size))
        return (newer[0] + (older[0] - newer[0]) * share,)

    return pad(fold((x,), n, join_weighted)[0], x.shape[-1])


def _per_bar(n: int) -> float:
    """Sum of products with time → slope: one over the sum of squared deviations of 0 … n - 1."""
    return 12.0 / (n * (n * n - 1.0))


def _square(x: np.ndarray) -> np.ndarray:
    return x * x


def _floored(spread: np.ndarray, centre: np.ndarray) -> np.ndarray:
    spread[spread <= _CONSTANT * np.abs(centre)] = 0.0
    return spread


def _mean_std(x: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    centre, second = fold((x, np.zeros(x.shape)), n, join.join_variance)
    return pad(centre, x.shape[-1]), pad(_floored(np.sqrt(second / n), centre), x.shape[-1])


def _pairs(x: np.ndarray, y: np.ndarray, n: int) -> State:
    zero = np.zeros(len(x))
    return fold((x, y, zero, zero, zero), n, join.join_covariance)
