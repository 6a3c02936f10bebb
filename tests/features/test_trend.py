"""Trend scores on straight lines, on noise, and against scipy's regression."""

import numpy as np
import pytest
from scipy import stats

from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES


def value(name: str, bars: Bars) -> np.ndarray:
    return FEATURES[name].compute(bars)


def _path(close: np.ndarray) -> Bars:
    return Bars(close, close, close, close, np.ones(len(close)), np.arange(len(close)), 1)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_straight_path_has_every_score_at_its_limit(direction: float) -> None:
    line = _path(100.0 * np.exp(direction * 0.01 * np.arange(300.0)))
    names = (
        "trend_correlation_20", "trend_correlation_200", "efficiency_20", "up_down_balance_20", "high_low_structure_20",
        "swing_20", "trend_agreement", "trend_score",
    )  # fmt: skip
    for name in names:
        np.testing.assert_allclose(value(name, line)[210:], direction, rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(value("trend_t_20", line)[19:], direction * 50.0)
    np.testing.assert_array_equal(value("sign_persistence_20", line)[22:], 1.0)


def test_regression_figures_equal_scipy(bars: Bars) -> None:
    for n in (20, 50, 100):
        for t in (200, 555, 899):
            fit = stats.linregress(np.arange(n), np.log(bars.close[t - n + 1 : t + 1]))
            assert value(f"trend_correlation_{n}", bars)[t] == pytest.approx(fit.rvalue, abs=1e-9)
            expected = np.clip(fit.slope / fit.stderr, -50.0, 50.0)
            assert value(f"trend_t_{n}", bars)[t] == pytest.approx(expected, rel=1e-6)


def test_efficiency_is_distance_over_way(bars: Bars) -> None:
    t = 700
    way = np.abs(np.diff(bars.close[t - 20 : t + 1])).sum()
    assert value("efficiency_20", bars)[t] == pytest.approx((bars.close[t] - bars.close[t - 20]) / way)


def test_noise_has_no_trend_on_average() -> None:
    rng = np.random.default_rng(4)
    noise = _path(np.exp(np.cumsum(0.01 * rng.normal(size=30_000))))
    for name in (
        "efficiency_20",
        "up_down_balance_20",
        "sign_persistence_50",
        "trend_correlation_50",
        "slope_balance_10_50",
    ):
        assert abs(value(name, noise)[300:].mean()) < 0.06, name


def test_a_turn_bends_the_trend() -> None:
    close = 100.0 + np.concatenate((np.arange(300.0), 300.0 - np.arange(50.0)))
    turn = Bars(close, close + 1.0, close - 1.0, close, np.ones(350), np.arange(350), 1)
    bend = value("trend_bend_50", turn)
    assert bend[298] == pytest.approx(0.0, abs=1e-9) and bend[325] < -0.5
    assert value("trend_agreement", turn)[309] == pytest.approx(0.2), "5 and 10 bars fall, 20, 50 and 100 still rise"
