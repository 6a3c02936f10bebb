"""Momentum against TA-Lib, whose infinite recursions ours cut where 1e-8 of the weight is left."""

import numpy as np
import pytest
import talib

from deepstack.features.bars import Bars
from deepstack.features.momentum import FEATURES

BY_NAME = {feature.name: feature for feature in FEATURES}


def check(bars: Bars, name: str, expected: np.ndarray, atol: float = 1e-6) -> None:
    """From bar 600 on, where TA-Lib's start-up has faded too."""
    np.testing.assert_allclose(BY_NAME[name].compute(bars)[600:], expected[600:], atol=atol)


def atr(bars: Bars) -> np.ndarray:
    return talib.ATR(bars.high, bars.low, bars.close, 14)


@pytest.mark.parametrize("n", [7, 14, 21])
def test_rsi(bars: Bars, n: int) -> None:
    check(bars, f"rsi_{n}", talib.RSI(bars.close, n) / 50 - 1)


def test_stoch_rsi(bars: Bars) -> None:
    fast, _ = talib.STOCHRSI(bars.close, 14, 14, 1)
    check(bars, "stoch_rsi_14", fast / 50 - 1, atol=1e-5)


def test_macd(bars: Bars) -> None:
    line, signal, histogram = talib.MACD(bars.close, 12, 26, 9)
    check(bars, "macd_line_12_26", line / atr(bars))
    check(bars, "macd_signal_12_26_9", signal / atr(bars))
    check(bars, "macd_histogram_12_26_9", histogram / atr(bars))
    check(
        bars,
        "ppo_12_26",
        talib.PPO(bars.close, 12, 26, 1) / 100 * talib.EMA(bars.close, 26) / talib.EMA(bars.close, 26),
    )


def test_stochastic_and_williams(bars: Bars) -> None:
    slow_k, slow_d = talib.STOCH(bars.high, bars.low, bars.close, 14, 3, 0, 3, 0)
    check(bars, "stochastic_k_14", slow_k / 50 - 1, atol=1e-10)
    check(bars, "stochastic_d_14", slow_d / 50 - 1, atol=1e-10)
    check(bars, "williams_r_14", talib.WILLR(bars.high, bars.low, bars.close, 14) / 50 + 1, atol=1e-10)


@pytest.mark.parametrize("n", [14, 20])
def test_cci(bars: Bars, n: int) -> None:
    check(bars, f"cci_{n}", talib.CCI(bars.high, bars.low, bars.close, n) / 100, atol=1e-8)


def test_ultimate_oscillator(bars: Bars) -> None:
    check(bars, "ultimate_oscillator", talib.ULTOSC(bars.high, bars.low, bars.close) / 50 - 1, atol=1e-10)


def test_trix(bars: Bars) -> None:
    check(bars, "trix_9", talib.TRIX(bars.close, 9) / 100, atol=1e-8)


def test_momentum_and_rate_of_change(bars: Bars) -> None:
    check(bars, "momentum_10", talib.MOM(bars.close, 10) / atr(bars) / np.sqrt(10))
    check(bars, "rate_of_change_10", talib.ROCP(bars.close, 10), atol=1e-12)


def test_coppock_is_a_weighted_mean(bars: Bars) -> None:
    check(bars, "coppock_10", talib.WMA(talib.ROCP(bars.close, 14) + talib.ROCP(bars.close, 11), 10), atol=1e-12)


def test_true_strength(bars: Bars) -> None:
    change = np.diff(bars.close, prepend=np.nan)[1:]
    double = [talib.EMA(talib.EMA(x, 25), 13) for x in (change, np.abs(change))]
    check(bars, "true_strength_25_13", np.concatenate(([np.nan], double[0] / double[1])))


def test_chande_momentum_by_hand(bars: Bars) -> None:
    change = np.diff(bars.close)[-9:]
    expected = (change[change > 0].sum() + change[change < 0].sum()) / np.abs(change).sum()
    assert BY_NAME["chande_momentum_9"].compute(bars)[-1] == pytest.approx(expected, rel=1e-12)


def test_fisher_is_the_published_recursion(bars: Bars) -> None:
    middle = (bars.high + bars.low) / 2
    value = fisher = 0.0
    for t in range(9, len(bars)):
        low, high = middle[t - 9 : t + 1].min(), middle[t - 9 : t + 1].max()
        value = 2.0 / 3.0 * value + 1.0 / 3.0 * (2 * (middle[t] - low) / (high - low) - 1)
        fisher = 0.5 * fisher + 0.5 * np.log((1 + value) / (1 - value))
    assert BY_NAME["fisher_transform_10"].compute(bars)[-1] == pytest.approx(fisher / 2, abs=1e-6)


def test_bounded_oscillators_stay_in_bounds(bars: Bars) -> None:
    for feature in FEATURES:
        if feature.unit == "fraction" and not feature.name.startswith(("ppo", "rate", "trix", "coppock")):
            assert np.nanmax(np.abs(feature.compute(bars))) <= 2.0, feature.name
