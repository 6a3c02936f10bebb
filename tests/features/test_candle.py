"""Candle channels: the candle as it is, asked for by name alone, beyond the limit of other features."""

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles
from deepstack.config.features import FeaturesConfig
from deepstack.features.bars import Bars
from deepstack.features.catalogue import CHANNELS, FEATURES, choose
from deepstack.features.table import make_table

NAMES = ("close", "open", "rsi_14")


def test_body_and_shadows_make_up_the_candle(bars: Bars) -> None:
    body, upper, lower = (CHANNELS[name].compute(bars) for name in ("body", "upper_shadow", "lower_shadow"))
    np.testing.assert_allclose(np.abs(body) + upper + lower, bars.high - bars.low, rtol=1e-9)
    assert (upper >= 0.0).all() and (lower >= 0.0).all()


def test_a_channel_is_of_its_bar_alone(bars: Bars) -> None:
    for channel in CHANNELS.values():
        assert channel.lookback_bars == 1
        np.testing.assert_array_equal(channel.compute(bars.part(slice(50, 60))), channel.compute(bars)[50:60])


def test_they_are_used_where_they_are_named_and_nowhere_else() -> None:
    assert not set(CHANNELS) & set(FEATURES)
    assert not set(CHANNELS) & {feature.name for feature in choose(FeaturesConfig(), frozenset())}
    assert tuple(feature.name for feature in choose(FeaturesConfig(names=NAMES), frozenset())) == NAMES


def test_prices_are_not_clipped() -> None:
    index = pd.date_range("2024-01-01", periods=5, freq="1h", tz="UTC", unit="ms", name="close_time")
    frame = pd.DataFrame({name: 60_000.5 for name in ("open", "high", "low", "close")} | {"volume": 1e9}, index=index)
    table = make_table({"X": Candles("X", pd.Timedelta("1h"), frame)}, FeaturesConfig(names=("close", "volume")))
    np.testing.assert_array_equal(table.values, [[60_000.5, 1e9]] * 5)


@pytest.mark.parametrize("more", [{"groups": ("price",)}, {"exclude": ("rsi_14",)}, {"names": ("close", "close")}])
def test_names_stand_alone_and_once(more: dict) -> None:
    with pytest.raises(ValueError, match="names"):
        FeaturesConfig(**({"names": NAMES} | more))
