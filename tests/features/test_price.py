"""Returns in sigma and candle shapes, on candles whose answer is known."""

import numpy as np
import pytest

from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES


def value(name: str, bars: Bars) -> np.ndarray:
    return FEATURES[name].compute(bars)


def candles(*ohlc: tuple[float, float, float, float]) -> Bars:
    open_, high, low, close = np.array(ohlc, dtype=float).T
    count = len(ohlc)
    return Bars(open_, high, low, close, np.ones(count), 60_000 * np.arange(1, count + 1, dtype=np.int64), 60_000)


def test_a_candle_is_its_body_its_wicks_and_where_it_closed() -> None:
    bars = candles((10.0, 14.0, 9.0, 13.0), (13.0, 13.0, 13.0, 13.0))
    assert value("body_ratio", bars).tolist() == [0.6, 0.0]
    assert value("upper_wick", bars).tolist() == [0.2, 0.0]
    assert value("lower_wick", bars).tolist() == [0.2, 0.0]
    assert value("close_location", bars).tolist() == pytest.approx([0.6, 0.0])


def test_wick_asymmetry_is_the_rolling_mean_of_upper_less_lower_wick(bars: Bars) -> None:
    upper = bars.high - np.maximum(bars.open, bars.close)
    lower = np.minimum(bars.open, bars.close) - bars.low
    for n in (5, 10, 20):
        expected = np.convolve((upper - lower) / (bars.high - bars.low), np.ones(n) / n, mode="valid")
        np.testing.assert_allclose(value(f"wick_asymmetry_{n}", bars)[n - 1 :], expected, atol=1e-12)


def test_returns_of_a_random_walk_have_unit_sigma() -> None:
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.normal(size=20_000)))
    bars = Bars(close, close, close, close, np.ones(20_000), np.arange(20_000), 1)
    for horizon in (1, 5, 20, 50):
        assert value(f"return_{horizon}", bars)[250:].std() == pytest.approx(1.0, abs=0.1)
    assert value("acceleration_20", bars)[250:].std() == pytest.approx(1.0, abs=0.1)


def test_streaks_count_closes_in_one_direction_up_to_ten() -> None:
    closes = [10.0, 11, 12, 11, 10, 9, 9, *range(10, 26)]
    bars = candles(*((c, c, c, c) for c in closes))
    streak = 10.0 * value("streak_10", bars)
    assert streak[1:7].tolist() == [1, 2, -1, -2, -3, 0]
    assert streak[-3:].tolist() == [10, 10, 10]


def test_outside_and_inside_bars() -> None:
    bars = candles((5.0, 6.0, 4.0, 5.0), (5.0, 7.0, 3.0, 5.0), (5.0, 6.0, 4.0, 5.0), (5.0, 6.0, 4.0, 5.0))
    assert value("outside_bar", bars)[1:].tolist() == [1.0, -1.0, 0.0]


def test_a_dead_market_reads_zero(dead: Bars) -> None:
    for name, feature in FEATURES.items():
        if name in ("body_ratio", "return_5", "gap_atr", "log_relative_range_20", "streak_10", "close_rank_100"):
            assert (feature.compute(dead)[feature.lookback_bars - 1 :] == 0.0).all(), name
