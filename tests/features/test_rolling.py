"""Rolling statistics against textbook values, and their promise: a window's bits depend on the window alone."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import stats

from deepstack.features import _rolling as roll

WINDOWS = (2, 3, 5, 14, 20, 63, 100)
UNARY: tuple[Callable[[np.ndarray, int], np.ndarray], ...] = (
    roll.total, roll.mean, roll.std, roll.variance, roll.zscore, roll.skew, roll.kurtosis, roll.slope,
    roll.trend_correlation, roll.highest, roll.lowest, roll.bars_since_highest, roll.bars_since_lowest, roll.rank,
    roll.median,
)  # fmt: skip


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    rng = np.random.default_rng(3)
    return 100.0 + rng.standard_t(3, size=900).cumsum()


def _by_window(x: np.ndarray, n: int, statistic: Callable) -> np.ndarray:
    return np.concatenate((np.full(n - 1, np.nan), statistic(sliding_window_view(x, n), axis=1)))


@pytest.mark.parametrize("n", WINDOWS)
def test_moments_equal_those_of_each_window(series: np.ndarray, n: int) -> None:
    same = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(roll.total(series, n), _by_window(series, n, np.sum), **same)
    np.testing.assert_allclose(roll.mean(series, n), _by_window(series, n, np.mean), **same)
    np.testing.assert_allclose(roll.std(series, n), _by_window(series, n, np.std), **same)
    np.testing.assert_allclose(roll.skew(series, n), _by_window(series, n, stats.skew), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(roll.kurtosis(series, n), _by_window(series, n, stats.kurtosis), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", WINDOWS[1:])
def test_lines_and_correlations_equal_those_of_each_window(series: np.ndarray, n: int) -> None:
    other = np.random.default_rng(4).normal(size=len(series))
    expected = pd.Series(series).rolling(n).corr(pd.Series(other)).to_numpy()
    np.testing.assert_allclose(roll.correlation(series, other, n), expected, atol=1e-9)
    view = sliding_window_view(series, n)
    steep, level = np.polyfit(np.arange(n), view.T, 1)
    mean, slope, std, correlation = roll.line(series, n)[:, n - 1 :]
    np.testing.assert_allclose(slope, steep, atol=1e-9)
    np.testing.assert_allclose(mean - slope * (n - 1) / 2.0, level, atol=1e-7)
    residual = view - level[:, None] - steep[:, None] * np.arange(n)
    np.testing.assert_allclose(std * np.sqrt(1.0 - correlation**2), residual.std(axis=1), atol=1e-7)


def test_exponential_averages_equal_the_endless_recursion() -> None:
    x = 100.0 + np.random.default_rng(5).normal(size=3000).cumsum()
    for span in (2, 9, 26, 45):
        endless = pd.Series(x).ewm(span=span, adjust=False).mean().to_numpy()
        start = 2 * roll.ema_lookback(span)
        np.testing.assert_allclose(roll.ema(x, span)[start:], endless[start:], rtol=3e-8)
    for period in (7, 14, 20):
        endless = pd.Series(x).ewm(alpha=1.0 / period, adjust=False).mean().to_numpy()
        start = 2 * roll.wilder_lookback(period)
        np.testing.assert_allclose(roll.wilder(x, period)[start:], endless[start:], rtol=3e-8)


def test_the_lookback_of_an_average_is_where_its_tail_weighs_nothing() -> None:
    for span in range(2, 46):
        bars = roll.ema_lookback(span)
        tail = (1.0 - 2.0 / (span + 1.0)) ** bars
        assert 1e-10 < tail <= roll.TAIL_WEIGHT
        x = np.zeros(bars + 10)
        x[5] = 1.0
        response = roll.ema(x, span)
        assert np.isnan(response[: bars - 1]).all()
        assert response[5 + bars - 1] > 0.0 and (response[5 + bars :] == 0.0).all()
    assert roll.ema_lookback(1) == roll.wilder_lookback(1) == 1


@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", (2, 20, 100))
def test_a_window_gives_the_same_bits_wherever_it_lies(series: np.ndarray, function: Callable, n: int) -> None:
    x = series.copy()
    x[300] = 1e12  # what would poison a running sum for ever
    whole = function(x, n)
    for end in (n, 299, 301, 450, 777, len(x)):
        assert function(x[end - n : end], n)[-1].tobytes() == whole[end - 1].tobytes() or end < n
        np.testing.assert_array_equal(function(x[:end], n), whole[:end])
    assert np.isnan(whole[: n - 1]).all()


@pytest.mark.parametrize("n", (2, 7, 20, 99))
def test_constant_windows_have_no_spread_at_all(n: int) -> None:
    for level in (0.1, 1 / 3, 12345.678901):
        x = np.full(200, level)
        for function in (roll.std, roll.zscore, roll.skew, roll.kurtosis, roll.slope, roll.trend_correlation):
            np.testing.assert_array_equal(function(x, n)[n - 1 :], 0.0)
        np.testing.assert_array_equal(roll.mean(x, n)[n - 1 :], level)
        np.testing.assert_array_equal(roll.ema(x, n)[roll.ema_lookback(n) - 1 :] if n < 20 else level, level)
        np.testing.assert_array_equal(roll.correlation(x, np.arange(200.0), n)[n - 1 :], 0.0)


def test_small_spread_survives_a_large_level() -> None:
    wave = np.tile((0.0, 1.0), 50)
    np.testing.assert_allclose(roll.std(1e6 + 1e-3 * wave, 20)[19:], 0.5e-3, rtol=1e-6)


def test_extremes_count_from_the_latest_of_equals() -> None:
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(roll.bars_since_highest(x, 3)[2:], [0, 1, 0, 1, 2, 2])
    np.testing.assert_array_equal(roll.bars_since_lowest(x, 3)[2:], [2, 0, 1, 0, 0, 0])


def test_several_series_at_once_equal_one_at_a_time(series: np.ndarray) -> None:
    both = np.stack((series, -series[::-1]))
    for function in (roll.total, roll.mean, roll.std, roll.variance, roll.ema):
        np.testing.assert_array_equal(function(both, 14), np.stack([function(row, 14) for row in both]))


def test_too_short_a_series_is_all_unknown() -> None:
    for function in UNARY:
        assert np.isnan(function(np.arange(5.0), 6)).all()
    assert np.isnan(roll.lag(np.arange(3.0), 5)).all()


def test_ratio_is_neutral_only_where_the_denominator_is_zero() -> None:
    a, b = np.array([1.0, 1.0, np.nan, 0.0]), np.array([2.0, 0.0, 1.0, np.nan])
    np.testing.assert_array_equal(roll.ratio(a, b, neutral=7.0), [0.5, 7.0, np.nan, np.nan])


def test_windows_end_at_their_bar() -> None:
    view = roll.windows(np.arange(4.0), 3)
    np.testing.assert_array_equal(view[3], [1.0, 2.0, 3.0])
    assert view.shape == (4, 3) and np.isnan(view[1, 0])
