"""The law of timeframe alignment: a model sees the last bars of each clock that had closed, all of them, and no others.

The oracle asks by time, not by row: at a decision, the window of a timeframe is the last `window_bars` ticks of its
clock up to the decision, and all of their bars must be known. Whatever crosses a gap, peeks at an open bar or mixes
symbols cannot answer as it does.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles, Market
from deepstack.candles.resample import resample
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.features import FeaturesConfig
from deepstack.config.samples import SamplesConfig
from deepstack.features.table import make_table
from deepstack.models import catalogue
from deepstack.models.inputs import WHEN
from deepstack.pipeline.inputs import Seen, see
from deepstack.samples.windows import Windows

MINUTE = pd.Timedelta("1min")
NAMES = ("return_rank_50", "body_ratio", "streak_10")
WARMUP_BARS = 50
LENGTH, TIMEFRAMES = 6, ("5min", "15min")
SAMPLES = SamplesConfig(window_bars=LENGTH, timeframes=TIMEFRAMES)
CLOCKS = {"features": MINUTE, "features_5min": pd.Timedelta("5min"), "features_15min": pd.Timedelta("15min")}
GAPS = {"SYN01": [slice(0, 3), slice(1500, 1507)], "SYN02": [slice(1802, 1803)]}


@pytest.fixture(scope="module")
def market() -> Market:
    """Minutes of two symbols, each with gaps of its own, one of a single bar within a coarse one."""
    whole = make_market(SyntheticConfig(symbols=2, bars=3600, interval="1min"), seed=4)
    return {name: _without(candles, GAPS[name]) for name, candles in whole.items()}


@pytest.fixture(scope="module")
def moments(market: Market) -> pd.DataFrame:
    """The close of every bar, and moments that no bar of the symbol closes at."""
    asked = [(name, time) for name, candles in market.items() for time in candles.frame.index]
    first = market["SYN02"].frame.index[0]
    asked += [("SYN01", first + 1502 * MINUTE), ("SYN02", first - MINUTE), ("NONE", first + 2000 * MINUTE)]
    return pd.DataFrame(asked, columns=["symbol", "decision_time"]).sort_values("decision_time", ignore_index=True)


def _without(candles: Candles, gaps: list[slice]) -> Candles:
    rows = np.delete(np.arange(len(candles)), np.r_[tuple(gaps)])
    return Candles(candles.symbol, candles.interval, candles.frame.iloc[rows])


def look(market: Market, moments: pd.DataFrame, model: str = "attentive_lstm") -> Seen:
    entry = catalogue.find(model)
    samples = SAMPLES if entry.sees == "timeframes" else SAMPLES.model_copy(update={"timeframes": ()})
    return see(market, moments, entry, FeaturesConfig(), samples, names=NAMES)


def gathered(seen: Seen) -> dict[str, np.ndarray]:
    return {name: values[np.arange(len(values))] for name, values in seen.inputs.items()}


def oracle(market: Market, moments: pd.DataFrame, clocks: dict[str, pd.Timedelta]) -> dict[str, np.ndarray]:
    """Input → float32 [moments, window, features] by the time of each bar, NaN where a bar is not known."""

    @cache
    def features_of(symbol: str, interval: pd.Timedelta) -> pd.DataFrame:
        coarse = resample(market[symbol], interval)
        table = make_table({symbol: coarse}, names=NAMES)
        return pd.DataFrame(table.values, index=pd.DatetimeIndex(table.times).tz_localize("UTC"))

    found = {}
    for name, interval in clocks.items():
        windows = np.full((len(moments), LENGTH, len(NAMES)), np.nan, np.float32)
        for symbol in market:
            mine = np.flatnonzero(moments["symbol"] == symbol)
            newest = pd.DatetimeIndex(moments["decision_time"].iloc[mine]).floor(interval)
            known = features_of(symbol, interval)
            for back in range(LENGTH):
                windows[mine, LENGTH - 1 - back] = known.reindex(newest - back * interval).to_numpy()
        found[name] = windows
    return found


def test_every_window_holds_the_last_closed_bars_of_its_clock(market: Market, moments: pd.DataFrame) -> None:
    seen, wanted = look(market, moments), oracle(market, moments, CLOCKS)
    known = np.logical_and.reduce([~np.isnan(windows).any(axis=(1, 2)) for windows in wanted.values()])
    np.testing.assert_array_equal(seen.known, known)
    assert 1000 < known.sum() < len(known) - 1000
    assert list(seen.inputs) == list(CLOCKS)
    for name, values in seen.inputs.items():
        assert isinstance(values, Windows)
        assert values.shape == (known.sum(), LENGTH, len(NAMES))
        np.testing.assert_array_equal(values[np.arange(len(values))], wanted[name][known], err_msg=name)


@pytest.mark.parametrize("model", ["lstm", "episodic_memory"])
def test_a_model_of_one_timeframe_needs_no_other_to_be_known(model: str, market: Market, moments: pd.DataFrame) -> None:
    seen, wanted = look(market, moments, model), oracle(market, moments, {"features": MINUTE})["features"]
    known = ~np.isnan(wanted).any(axis=(1, 2))
    np.testing.assert_array_equal(seen.known, known)
    np.testing.assert_array_equal(gathered(seen)["features"], wanted[known])
    if model == "episodic_memory":
        when = pd.Timestamp("2000-01-01", tz="UTC") + pd.to_timedelta(seen.inputs[WHEN][:, 0], unit="s")
        assert list(when) == list(moments["decision_time"][known])


def test_a_model_of_one_bar_sees_that_of_the_decision(market: Market, moments: pd.DataFrame) -> None:
    seen, wanted = look(market, moments, "sequential"), oracle(market, moments, {"features": MINUTE})["features"][:, -1]
    known = ~np.isnan(wanted).any(axis=1)
    np.testing.assert_array_equal(seen.known, known)
    np.testing.assert_array_equal(seen.inputs["features"], wanted[known])


def test_a_gap_costs_the_warm_up_and_the_window_in_every_timeframe(market: Market, moments: pd.DataFrame) -> None:
    """One missing minute, in the coarse bar that opens at minute 1800, hides all until each clock has run anew."""
    seen = look(market, moments)
    mine = (moments["symbol"] == "SYN02").to_numpy()
    minutes = (moments["decision_time"] - market["SYN02"].frame.index[0] + MINUTE) // MINUTE
    shown = set(minutes[mine & seen.known])
    span = WARMUP_BARS + LENGTH - 1
    first = 15 * (span + 1)
    assert shown == {*range(first, 1803), *range(1815 + first, 3601)}


@pytest.mark.parametrize("minute", [2000, 2003, 2010, 2025], ids="closes {}".format)
def test_noise_after_a_moment_moves_nothing_seen_at_or_before_it(
    minute: int, market: Market, moments: pd.DataFrame
) -> None:
    moment = market["SYN02"].frame.index[0] + (minute - 1) * MINUTE
    random = np.random.default_rng(minute)
    other = {}
    for name, candles in market.items():
        frame = candles.frame.copy()
        after = frame.index > moment
        prices = np.sort(frame["close"].iloc[0] * random.lognormal(size=(after.sum(), 4)), axis=1)
        frame.loc[after, ["low", "open", "close", "high"]] = prices
        other[name] = Candles(name, candles.interval, frame)
    early = moments[moments["decision_time"] <= moment]
    before, after = look(market, early), look(other, early)
    np.testing.assert_array_equal(before.known, after.known)
    for (name, one), two in zip(gathered(before).items(), gathered(after).values(), strict=True):
        np.testing.assert_array_equal(one, two, err_msg=name)
    late = moments[moments["decision_time"] > moment + pd.Timedelta("15min")]
    for one, two in zip(gathered(look(market, late)).values(), gathered(look(other, late)).values(), strict=True):
        assert not np.array_equal(one, two)


def test_another_symbol_moves_nothing(market: Market, moments: pd.DataFrame) -> None:
    mine = moments[moments["symbol"] == "SYN01"]
    alone, among = look({"SYN01": market["SYN01"]}, mine), look(market, mine)
    np.testing.assert_array_equal(alone.known, among.known)
    for one, two in zip(gathered(alone).values(), gathered(among).values(), strict=True):
        np.testing.assert_array_equal(one, two)
