import numpy as np
import pandas as pd
import pytest
import talib

from deepstack.features.bars import Bars
from deepstack.features.channels import FEATURES

BY_NAME = {feature.name: feature for feature in FEATURES}


def check(bars: Bars, name: str, expected: np.ndarray, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(BY_NAME[name].compute(bars)[600:], np.asarray(expected)[600:], atol=atol)


def test_bollinger(bars: Bars) -> None:
    upper, middle, lower = talib.BBANDS(bars.close, 20, 2.0, 2.0)
    check(bars, "bollinger_position_20", 2 * (bars.close - lower) / (upper - lower) - 1)
    check(bars, "bollinger_width_20", (upper - lower) / middle)


def test_keltner(bars: Bars) -> None:
    half = 2 * talib.ATR(bars.high, bars.low, bars.close, 10)
    check(bars, "keltner_position_20", (bars.close - talib.EMA(bars.close, 20)) / half)


def test_donchian(bars: Bars) -> None:
    upper, lower = talib.MAX(bars.high, 55), talib.MIN(bars.low, 55)
    check(bars, "donchian_position_55", 2 * (bars.close - lower) / (upper - lower) - 1, atol=1e-12)
    check(bars, "donchian_width_55", (upper - lower) / talib.ATR(bars.high, bars.low, bars.close, 14), atol=1e-5)


def test_acceleration_bands(bars: Bars) -> None:
    upper, middle, lower = talib.ACCBANDS(bars.high, bars.low, bars.close, 20)
    check(bars, "acceleration_band_20", 2 * (bars.close - lower) / (upper - lower) - 1, atol=1e-9)
    check(bars, "acceleration_band_width_20", (upper - lower) / middle, atol=1e-12)


@pytest.mark.parametrize("n", [20, 50, 100])
def test_regression_channel(bars: Bars, n: int) -> None:
    window, time = bars.close[-n:], np.arange(n)
    fit = np.polyval(np.polyfit(time, window, 1), time)
    expected = (window[-1] - fit[-1]) / (2 * (window - fit).std())
    assert BY_NAME[f"regression_channel_{n}"].compute(bars)[-1] == pytest.approx(expected, rel=1e-8)


def test_squeeze_is_bollinger_inside_keltner(bars: Bars) -> None:
    std = pd.Series(bars.close).rolling(20).std(ddof=0)
    keltner = 1.5 * pd.Series(talib.TRANGE(bars.high, bars.low, bars.close)).rolling(20).mean()
    check(bars, "bollinger_in_keltner_20", (2 * std < keltner).astype(float), atol=0)
    check(bars, "squeeze_ratio_20", np.log(2 * std / keltner), atol=1e-9)
    check(bars, "squeeze_share_20", (2 * std < keltner).rolling(20).mean(), atol=1e-12)


def test_squeeze_momentum_is_the_end_of_a_regression(bars: Bars) -> None:
    middle = 0.25 * (talib.MAX(bars.high, 20) + talib.MIN(bars.low, 20)) + 0.5 * talib.SMA(bars.close, 20)
    expected = (
        talib.LINEARREG(bars.close[100:] - middle[100:], 20) / talib.ATR(bars.high, bars.low, bars.close, 14)[100:]
    )
    check(bars, "squeeze_momentum_20", np.concatenate((np.zeros(100), expected)))


def test_outside_counts_closes_beyond_the_band(bars: Bars) -> None:
    upper, _, lower = talib.BBANDS(bars.close, 20, 2.0, 2.0)
    side = (bars.close > upper).astype(float) - (bars.close < lower)
    check(bars, "bollinger_outside_20", talib.SMA(side, 20), atol=1e-12)


def test_a_dead_market_reads_zero(dead: Bars) -> None:
    for feature in FEATURES:
        assert feature.compute(dead)[feature.lookback_bars :].tolist() == pytest.approx(
            [0.0] * (len(dead) - feature.lookback_bars), abs=1e-9
        ), feature.name
