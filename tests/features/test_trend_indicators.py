"""Trend indicators against TA-Lib from bar 650 on, where its start-up has faded."""

import numpy as np
import pytest
import talib

from deepstack.features.bars import Bars
from deepstack.features.trend_indicators import FEATURES

BY_NAME = {feature.name: feature for feature in FEATURES}


def check(bars: Bars, name: str, expected: np.ndarray, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(BY_NAME[name].compute(bars)[650:], expected[650:], atol=atol)


def atr(bars: Bars) -> np.ndarray:
    return talib.ATR(bars.high, bars.low, bars.close, 14)


def test_directional_movement(bars: Bars) -> None:
    candles = (bars.high, bars.low, bars.close, 14)
    check(bars, "plus_di_14", talib.PLUS_DI(*candles) / 100)
    check(bars, "minus_di_14", talib.MINUS_DI(*candles) / 100)
    check(bars, "dx_14", talib.DX(*candles) / 100, atol=1e-5)
    check(bars, "adx_14", talib.ADX(*candles) / 100, atol=2e-5)


def test_aroon(bars: Bars) -> None:
    down, up = talib.AROON(bars.high, bars.low, 25)
    check(bars, "aroon_up_25", up / 100, atol=1e-12)
    check(bars, "aroon_down_25", down / 100, atol=1e-12)
    check(bars, "aroon_oscillator_50", talib.AROONOSC(bars.high, bars.low, 50) / 100, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "average"),
    [
        ("dema_distance_20", lambda close: talib.DEMA(close, 20)),
        ("tema_distance_12", lambda close: talib.TEMA(close, 12)),
        ("t3_distance_5", lambda close: talib.T3(close, 5, 0.7)),
    ],
)
def test_multiple_exponential_averages(bars: Bars, name: str, average: object) -> None:
    check(bars, name, (bars.close - average(bars.close)) / atr(bars), atol=3e-6)  # type: ignore[operator]


def test_regression(bars: Bars) -> None:
    slope = talib.LINEARREG_SLOPE(bars.close, 20) / atr(bars)
    check(bars, "regression_slope_20", slope * np.sqrt(20))
    check(bars, "regression_angle_20", np.arctan(slope) * 2 / np.pi)
    check(bars, "regression_distance_50", (bars.close - talib.LINEARREG(bars.close, 50)) / atr(bars))


def test_ichimoku_looks_back_only(bars: Bars) -> None:
    t = len(bars) - 1
    line = lambda n, at: (bars.high[at - n + 1 : at + 1].max() + bars.low[at - n + 1 : at + 1].min()) / 2  # noqa: E731
    a, b = (line(9, t - 26) + line(26, t - 26)) / 2, line(52, t - 26)
    outside = max(bars.close[t] - max(a, b), 0) + min(bars.close[t] - min(a, b), 0)
    assert BY_NAME["ichimoku_beyond_cloud"].compute(bars)[-1] == pytest.approx(outside / atr(bars)[t], abs=1e-6)
    assert BY_NAME["ichimoku_conversion_base"].compute(bars)[-1] == pytest.approx(
        (line(9, t) - line(26, t)) / atr(bars)[t], abs=1e-6
    )


def test_vortex_by_hand(bars: Bars) -> None:
    true_range = talib.TRANGE(bars.high, bars.low, bars.close)[-14:].sum()
    plus = np.abs(bars.high[-14:] - bars.low[-15:-1]).sum() / true_range
    minus = np.abs(bars.low[-14:] - bars.high[-15:-1]).sum() / true_range
    assert BY_NAME["vortex_spread_14"].compute(bars)[-1] == pytest.approx(plus - minus, abs=1e-12)


def test_heikin_ashi_is_the_recursion(bars: Bars) -> None:
    close = (bars.open + bars.high + bars.low + bars.close) / 4
    open_ = close[0]
    for before in close[:-1]:
        open_ = (open_ + before) / 2
    assert BY_NAME["heikin_ashi_body"].compute(bars)[-1] == pytest.approx((close[-1] - open_) / atr(bars)[-1], abs=1e-6)


def test_a_straight_rise_is_a_perfect_trend() -> None:
    close = 100.0 + np.arange(700.0)
    volume = np.ones(700)
    bars = Bars(close - 0.5, close + 0.5, close - 1.0, close, volume, np.arange(700), 1)
    expected = {
        "adx_14": 1.0,
        "aroon_oscillator_25": 1.0,
        "vertical_horizontal_28": 27.0 / 28.0,
        "trend_intensity_30_60": 1.0,
    }
    for name, value in expected.items():
        assert BY_NAME[name].compute(bars)[-1] == pytest.approx(value, abs=1e-9), name
