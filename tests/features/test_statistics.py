import math

import numpy as np
import pytest
from scipy import stats

from deepstack.features.bars import Bars
from deepstack.features.statistics import FEATURES

BY_NAME = {feature.name: feature for feature in FEATURES}


def last(bars: Bars, name: str) -> float:
    return float(BY_NAME[name].compute(bars)[-1])


def returns(bars: Bars) -> np.ndarray:
    return np.diff(np.log(bars.close))


def of_returns(r: np.ndarray) -> Bars:
    close = 100.0 * np.exp(np.cumsum(r))
    return Bars(close, close, close, close, np.ones(len(r)), np.arange(len(r)), 1)


@pytest.mark.parametrize("n", [50, 100])
def test_moments_match_scipy(bars: Bars, n: int) -> None:
    r = returns(bars)[-n:]
    assert last(bars, f"skewness_{n}") == pytest.approx(stats.skew(r), rel=1e-9)
    assert last(bars, f"kurtosis_{n}") == pytest.approx(math.log(stats.kurtosis(r, fisher=False) / 3), rel=1e-9)


def test_jarque_bera_matches_scipy(bars: Bars) -> None:
    assert math.expm1(last(bars, "jarque_bera_100")) == pytest.approx(
        stats.jarque_bera(returns(bars)[-100:]).statistic, rel=1e-9
    )


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_autocorrelation_matches_numpy(bars: Bars, k: int) -> None:
    r = returns(bars)
    assert last(bars, f"autocorrelation_{k}_100") == pytest.approx(
        np.corrcoef(r[-100:], r[-100 - k : -k])[0, 1], abs=1e-12
    )


def test_leverage_and_clustering(bars: Bars) -> None:
    r = returns(bars)
    assert last(bars, "leverage_correlation_100") == pytest.approx(
        np.corrcoef(r[-101:-1], np.abs(r[-100:]))[0, 1], abs=1e-12
    )
    size = np.abs(r)
    expected = np.corrcoef(size[-100:], size[-105:-5])[0, 1]
    assert last(bars, "absolute_autocorrelation_5_100") == pytest.approx(expected, abs=1e-12)


def test_scaling_tells_random_walk_trend_and_reversal_apart() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(40, 400)) * 0.01
    smooth = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 2, axis=1)
    reverting = noise - 0.9 * np.roll(noise, 1, axis=1)
    for name in ("hurst_100", "variance_ratio_4_100"):
        walk, trend, back = (
            np.mean([last(of_returns(r), name) for r in series]) for series in (noise, smooth, reverting)
        )
        assert back < -0.15 < walk < 0.1 < trend, name


def test_variance_ratio_matches_its_definition(bars: Bars) -> None:
    r, price = returns(bars), np.log(bars.close)
    expected = math.log((price[-100:] - price[-104:-4]).std() / (r[-100:].std() * 2.0))
    assert last(bars, "variance_ratio_4_100") == pytest.approx(expected, rel=1e-9)


def test_rescaled_range_matches_its_definition(bars: Bars) -> None:
    r = returns(bars)[-32:]
    path = np.concatenate(([0.0], np.cumsum(r - r.mean())))
    expected = math.log((path.max() - path.min()) / r.std()) / math.log(32) - 0.5
    assert last(bars, "rescaled_range_32") == pytest.approx(expected, rel=1e-9)


def test_runs_matches_wald_and_wolfowitz(bars: Bars) -> None:
    up = returns(bars)[-50:] > 0
    n1, n2 = up.sum(), (~up).sum()
    runs, mean = 1 + (up[1:] != up[:-1]).sum(), 2 * n1 * n2 / 50 + 1
    variance = (mean - 1) * (mean - 2) / 49
    assert last(bars, "runs_50") == pytest.approx((runs - mean) / math.sqrt(variance), rel=1e-9)


def test_turning_points_by_hand(bars: Bars) -> None:
    r = returns(bars)[-50:]
    turns = sum((r[i] - r[i - 1]) * (r[i + 1] - r[i]) < 0 for i in range(1, 49))
    assert last(bars, "turning_points_50") == pytest.approx((turns - 32) / math.sqrt(8 * 48 / 45), rel=1e-12)


def test_permutation_entropy_is_one_for_noise_and_low_for_a_trend() -> None:
    walk = of_returns(np.random.default_rng(1).normal(size=600) * 0.01)
    assert last(walk, "permutation_entropy_3_50") > 0.85
    assert last(of_returns(np.full(600, 0.01)), "permutation_entropy_3_50") == 0.0


def test_a_dead_market_reads_zero(dead: Bars) -> None:
    for feature in FEATURES:
        if feature.name != "turning_points_50":
            assert np.abs(feature.compute(dead)[feature.lookback_bars :]).max() == 0.0, feature.name
