import math

import numpy as np
import pytest
import talib

from deepstack.features.bars import Bars
from deepstack.features.volume import FEATURES

BY_NAME = {feature.name: feature for feature in FEATURES}


def last(bars: Bars, name: str) -> float:
    return float(BY_NAME[name].compute(bars)[-1])


def atr(bars: Bars) -> float:
    return talib.ATR(bars.high, bars.low, bars.close, 14)[-1]


@pytest.mark.parametrize("n", [5, 10, 20])
def test_relative_volume(bars: Bars, n: int) -> None:
    expected = math.log(bars.volume[-n:].mean() / bars.volume[-100:].mean())
    assert last(bars, f"relative_volume_{n}") == pytest.approx(expected, rel=1e-9)


def test_obv_share_is_the_change_of_on_balance_volume(bars: Bars) -> None:
    obv = talib.OBV(bars.close, bars.volume)
    assert last(bars, "obv_share_20") == pytest.approx((obv[-1] - obv[-21]) / bars.volume[-20:].sum(), abs=1e-9)


@pytest.mark.parametrize("n", [20, 50])
def test_vwap(bars: Bars, n: int) -> None:
    price = ((bars.high + bars.low + bars.close) / 3)[-n:]
    vwap = np.average(price, weights=bars.volume[-n:])
    assert last(bars, f"vwap_distance_{n}") == pytest.approx((bars.close[-1] - vwap) / atr(bars), abs=1e-6)
    assert last(bars, f"vwap_tilt_{n}") == pytest.approx((vwap - price.mean()) / atr(bars), abs=1e-6)


def test_money_flow_index_matches_talib(bars: Bars) -> None:
    expected = talib.MFI(bars.high, bars.low, bars.close, bars.volume, 14)[600:] / 50 - 1
    np.testing.assert_allclose(BY_NAME["money_flow_index_14"].compute(bars)[600:], expected, atol=1e-9)


def test_chaikin_money_flow_is_the_change_of_accumulation(bars: Bars) -> None:
    line = talib.AD(bars.high, bars.low, bars.close, bars.volume)
    assert last(bars, "chaikin_money_flow_20") == pytest.approx(
        (line[-1] - line[-21]) / bars.volume[-20:].sum(), abs=1e-9
    )


def test_force_index(bars: Bars) -> None:
    push = np.diff(bars.close) * bars.volume[1:]
    expected = talib.EMA(push, 13)[-1] / talib.EMA(bars.volume[1:], 13)[-1] / atr(bars)
    assert last(bars, "force_index_13") == pytest.approx(expected, abs=1e-6)


def test_correlations(bars: Bars) -> None:
    r, v = np.diff(np.log(bars.close))[-50:], bars.volume[-50:]
    assert last(bars, "return_volume_correlation_50") == pytest.approx(np.corrcoef(r, v)[0, 1], abs=1e-12)
    assert last(bars, "size_volume_correlation_50") == pytest.approx(np.corrcoef(np.abs(r), v)[0, 1], abs=1e-12)
    expected = np.corrcoef(bars.volume[-51:-1], v)[0, 1]
    assert last(bars, "volume_autocorrelation_1_50") == pytest.approx(expected, abs=1e-12)


def test_positive_and_negative_volume_returns_add_up(bars: Bars) -> None:
    r, sigma = np.diff(np.log(bars.close)), np.diff(np.log(bars.close))[-100:].std()
    both = last(bars, "rising_volume_return_50") + last(bars, "falling_volume_return_50")
    assert both == pytest.approx(r[-50:].sum() / sigma / math.sqrt(50), rel=1e-9)


def test_a_collapse_of_volume_leaves_no_trace(bars: Bars) -> None:
    """Running sums would still carry the rounding of the old volumes; ours start from what the window holds."""
    shrunk = bars.part(slice(0, len(bars)))
    shrunk.volume[:450] *= 1e15
    fresh = bars.part(slice(450, len(bars)))
    for feature in FEATURES:
        np.testing.assert_array_equal(
            feature.compute(shrunk)[450 + feature.lookback_bars :],
            feature.compute(fresh)[feature.lookback_bars :],
            feature.name,
        )


def test_a_market_without_volume_reads_zero(dead: Bars) -> None:
    for feature in FEATURES:
        assert np.abs(feature.compute(dead)[feature.lookback_bars :]).max() == 0.0, feature.name
