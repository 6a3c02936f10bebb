"""What counts as candles, and what is said of anything else."""

from typing import Any

import pandas as pd
import pytest

from deepstack.candles.market import Candles, as_market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.errors import DataError


def test_one_symbols_candles_are_a_market() -> None:
    market = make_market(SyntheticConfig(symbols=2, bars=500, interval="1h"), 0)
    assert as_market(market) is market
    (candles, *_) = market.values()
    assert as_market(candles) == {candles.symbol: candles}


@pytest.mark.parametrize(
    ("given", "received"),
    [
        (pd.DataFrame({"close": [1.0]}), "a DataFrame"),
        ("candles.csv", "a str"),
        ({}, "an empty dict"),
        ({"BTCUSDT": pd.DataFrame()}, "a dict"),
        (({"BTCUSDT": Candles}, "the report"), "a tuple"),
        (None, "a NoneType"),
    ],
)
def test_anything_else_is_told_how_candles_are_read(given: Any, received: str) -> None:
    with pytest.raises(DataError, match=rf"expected Candles, or a market.*received {received} .*read_market\(\[path\]"):
        as_market(given)
