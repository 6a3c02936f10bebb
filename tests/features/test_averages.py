"""Averages against TA-Lib and their definitions."""

import numpy as np
import talib

from deepstack.features import averages
from deepstack.features._shared import atr
from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES


def _in_atr(bars: Bars, line: np.ndarray) -> np.ndarray:
    return (bars.close - line) / atr(bars, 14)


def test_distances_equal_talib_averages(bars: Bars) -> None:
    expected = {
        "distance_sma_20": talib.SMA(bars.close, 20),
        "distance_sma_200": talib.SMA(bars.close, 200),
        "distance_ema_21": talib.EMA(bars.close, 21),
        "distance_wma_10": talib.WMA(bars.close, 10),
        "distance_trima_50": talib.TRIMA(bars.close, 50),
    }
    for name, line in expected.items():
        np.testing.assert_allclose(FEATURES[name].compute(bars)[450:], _in_atr(bars, line)[450:], rtol=1e-6, atol=1e-6)


def test_atr_equals_talib(bars: Bars) -> None:
    np.testing.assert_allclose(atr(bars, 14)[550:], talib.ATR(bars.high, bars.low, bars.close, 14)[550:], rtol=1e-6)


def test_hull_average_is_made_of_weighted_averages(bars: Bars) -> None:
    inner = 2.0 * talib.WMA(bars.close, 8) - talib.WMA(bars.close, 16)
    hull = np.concatenate((np.full(15, np.nan), talib.WMA(inner[15:], 4)))
    np.testing.assert_allclose(FEATURES["distance_hma_16"].compute(bars)[300:], _in_atr(bars, hull)[300:], atol=1e-9)


def test_a_straight_rise_orders_the_ribbon_and_stays_on_one_side(bars: Bars) -> None:
    close = np.linspace(100.0, 200.0, 400)
    rise = Bars(close, close + 0.1, close - 0.1, close, np.ones(400), np.arange(400), 1)
    assert (FEATURES["ribbon_order"].compute(rise)[199:] == 1.0).all()
    assert (FEATURES["side_sma_20_share_20"].compute(rise)[38:] == 1.0).all()
    assert (FEATURES["crosses_sma_20_share_50"].compute(rise)[69:] == 0.0).all()
    slope = FEATURES["slope_sma_50"].compute(rise)[300:] * atr(rise, 14)[300:]
    np.testing.assert_allclose(slope, 100.0 / 399.0, rtol=1e-9)
    np.testing.assert_allclose(averages.sma(rise, 10)[9:], close[9:] - 4.5 * 100.0 / 399.0, rtol=1e-12)
