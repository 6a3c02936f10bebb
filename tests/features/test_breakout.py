"""Donchian features against a bar-by-bar reading of their definition."""

import numpy as np
import talib

from deepstack.features._shared import atr
from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES


def value(name: str, bars: Bars) -> np.ndarray:
    return FEATURES[name].compute(bars)


def test_breakout_is_the_side_of_the_previous_channel_that_the_close_left(bars: Bars) -> None:
    side = value("breakout_20", bars)
    for t in range(20, len(bars)):
        top, bottom = bars.high[t - 20 : t].max(), bars.low[t - 20 : t].min()
        assert side[t] == (bars.close[t] > top) * 1.0 - (bars.close[t] < bottom)
    assert {-1.0, 0.0, 1.0} == set(side[20:])


def test_excess_is_how_far_beyond(bars: Bars) -> None:
    excess, side = value("breakout_excess_20", bars)[300:], value("breakout_20", bars)[300:]
    np.testing.assert_array_equal(np.sign(excess), side)
    t = 300 + int(np.flatnonzero(side > 0)[0])
    expected = (bars.close[t] - bars.high[t - 20 : t].max()) / atr(bars, 14)[t]
    np.testing.assert_allclose(excess[t - 300], expected, rtol=1e-12)


def test_bars_since_the_high_equal_talib(bars: Bars) -> None:
    for n in (20, 50):
        index = talib.MAXINDEX(bars.high, n)
        np.testing.assert_array_equal(value(f"bars_since_high_{n}", bars)[n:], (np.arange(len(bars)) - index)[n:] / n)


def test_position_is_one_at_the_top_and_minus_one_at_the_bottom(bars: Bars) -> None:
    position = value("channel_position_50", bars)[49:]
    assert (np.abs(position) <= 1.0 + 1e-12).all()
    rise = np.linspace(1.0, 2.0, 100)
    straight = Bars(rise, rise, rise, rise, np.ones(100), np.arange(100), 1)
    np.testing.assert_allclose(value("channel_position_50", straight)[49:], 1.0)
    np.testing.assert_allclose(value("consolidation_50", straight)[50:], np.log(50 / 49) / np.log(50), rtol=1e-6)


def test_since_breakout_counts_up_and_stops_at_one(bars: Bars) -> None:
    side, since = value("breakout_20", bars), value("bars_since_breakout_up_20", bars)
    for t in range(70, len(bars)):
        past = np.flatnonzero(side[t - 49 : t + 1] == 1.0)
        assert since[t] == ((49 - past[-1]) / 50 if len(past) else 1.0)


def test_touches_and_failures_by_hand(bars: Bars) -> None:
    reach = 0.25 * atr(bars, 14)
    touches, failed, side = (value(n, bars) for n in ("touches_high_20", "failed_breakouts_20_50", "breakout_20"))
    for t in (300, 456, 899):
        near = bars.high[t - 19 : t + 1] >= bars.high[t - 19 : t + 1].max() - reach[t]
        assert touches[t] == near.sum() / 20
        score = 0
        for s in range(t - 49, t + 1):
            score -= side[s - 1] > 0 and bars.close[s] < bars.high[s - 21 : s - 1].max()
            score += side[s - 1] < 0 and bars.close[s] > bars.low[s - 21 : s - 1].min()
        np.testing.assert_allclose(failed[t], score / 50, atol=1e-12)


def test_volume_counts_at_breakouts_only(bars: Bars) -> None:
    volume, side = value("breakout_volume_20", bars)[300:], value("breakout_20", bars)[300:]
    assert (volume[side == 0.0] == 0.0).all() and (volume[side != 0.0] != 0.0).all()
