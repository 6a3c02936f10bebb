import math

import numpy as np
import pytest
import pywt

from deepstack.features import waves
from deepstack.features.bars import Bars

BY_NAME = {feature.name: feature for feature in waves.FEATURES}


def wave(period: float, count: int = 700) -> Bars:
    """A market whose log return is a pure sine."""
    close = 100.0 * np.exp(np.cumsum(0.01 * np.sin(2 * np.pi * np.arange(count) / period)))
    return Bars(close, close, close, close, np.ones(count), np.arange(count), 1)


def last(bars: Bars, name: str) -> float:
    return float(BY_NAME[name].compute(bars)[-1])


def test_haar_details_rebuild_the_return(bars: Bars) -> None:
    rebuilt = sum(waves._haar_detail(bars, level) for level in range(1, 7)) + waves._haar_smooth(bars, 6)
    np.testing.assert_allclose(rebuilt[65:], np.diff(np.log(bars.close))[64:], atol=1e-15)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_db4_is_the_stationary_transform_read_causally(bars: Bars, level: int) -> None:
    r = np.diff(np.log(bars.close))[-512:]
    details = pywt.swt(r, "db4", level=level, norm=True)[0][1]
    ours = waves._db4_detail(bars, level)[-512:]
    # The stationary transform is circular and centred: the same values, later by the filters' half-width.
    inner = slice(200, 500)
    errors = [np.abs(ours[inner] - np.roll(details, shift)[inner]).max() for shift in range(-64, 65)]
    assert min(errors) < 1e-12


@pytest.mark.parametrize(("period", "level"), [(2.0, 1), (40.0, 5)])
def test_energy_lies_at_the_scale_of_the_wave(period: float, level: int) -> None:
    market = wave(period) if period > 2 else of_alternating()
    shares = [last(market, f"haar_energy_share_{k}") for k in range(1, 7)]
    assert sum(shares) == pytest.approx(1.0)
    assert int(np.argmax(shares)) + 1 == level


def of_alternating() -> Bars:
    close = 100.0 + np.tile([0.0, 1.0], 350)
    return Bars(close, close, close, close, np.ones(700), np.arange(700), 1)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_power_matches_the_fft(bars: Bars, k: int) -> None:
    r = np.diff(np.log(bars.close))[-64:]
    expected = 2 * np.abs(np.fft.fft(r)[k]) ** 2 / (64 * 64 * r.var())
    assert last(bars, f"power_share_{64 // k}") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("period", [16, 32])
def test_a_pure_wave_is_found_with_its_phase(period: int) -> None:
    market = wave(period)
    assert last(market, f"power_share_{period}") == pytest.approx(1.0)
    assert last(market, "dominant_period_64") == pytest.approx(math.log2(period / 8) / 3)
    assert last(market, "spectral_entropy_64") == pytest.approx(0.0, abs=1e-9)
    phase = 2 * np.pi * (len(market) - 1) / period - np.pi / 2  # sine is cosine a quarter late
    assert last(market, f"cycle_cosine_{period}") == pytest.approx(math.cos(phase), abs=1e-9)
    assert abs(last(market, f"cycle_sine_{period}")) == pytest.approx(abs(math.sin(phase)), abs=1e-9)


def test_roofing_is_the_published_recursion(bars: Bars) -> None:
    longest, shortest, price = 48, 10, np.log(bars.close)
    angle = 0.707106781186547524 * 2 * math.pi / longest
    alpha = (math.cos(angle) + math.sin(angle) - 1) / math.cos(angle)
    a1 = math.exp(-math.sqrt(2) * math.pi / shortest)
    c2, c3 = 2 * a1 * math.cos(math.sqrt(2) * math.pi / shortest), -a1 * a1
    high, filtered = np.zeros(len(price)), np.zeros(len(price))
    for t in range(2, len(price)):
        curvature = price[t] - 2 * price[t - 1] + price[t - 2]
        high[t] = (1 - alpha / 2) ** 2 * curvature + 2 * (1 - alpha) * high[t - 1] - (1 - alpha) ** 2 * high[t - 2]
        filtered[t] = (1 - c2 - c3) * (high[t] + high[t - 1]) / 2 + c2 * filtered[t - 1] + c3 * filtered[t - 2]
    sigma = np.diff(price)[-100:].std()
    assert last(bars, "roofing_10_48") == pytest.approx(filtered[-1] / sigma / math.sqrt(shortest), abs=1e-5)


@pytest.mark.parametrize(("longest", "shortest"), [(48, 10), (24, 6)])
def test_roofing_has_faded_where_it_is_cut(longest: int, shortest: int) -> None:
    taps = np.abs(waves._roofing_taps(longest, shortest))
    assert taps[-1] < 1e-7 * taps.max()


def test_a_dead_market_reads_zero(dead: Bars) -> None:
    for feature in waves.FEATURES:
        assert np.abs(feature.compute(dead)[feature.lookback_bars :]).max() == 0.0, feature.name
