"""Mirrored candles are candles: as wild, as busy and as tied together as before, without direction."""

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Market
from deepstack.candles.mirror import mirrored
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(SyntheticConfig(symbols=3, bars=4000, interval="1h", edge=2.0), 3)


def returns(market: Market) -> pd.DataFrame:
    return pd.DataFrame({name: np.log(candles.frame["close"]).diff() for name, candles in market.items()})


def test_every_move_keeps_its_size_and_bars_stay_bars(market: Market) -> None:
    other = mirrored(market, 1)
    np.testing.assert_allclose(returns(other).abs().iloc[1:], returns(market).abs().iloc[1:], atol=1e-9)
    for name, candles in other.items():
        frame, before = candles.frame, market[name].frame
        assert frame.index.equals(before.index)
        body = frame[["open", "close"]]
        assert (frame["high"] >= body.max(axis=1) * (1 - 1e-12)).all()
        assert (frame["low"] <= body.min(axis=1) * (1 + 1e-12)).all()
        spans = [np.log(one["high"] / one["low"]) for one in (frame, before)]
        np.testing.assert_allclose(*spans, atol=1e-9)
        np.testing.assert_array_equal(frame["volume"], before["volume"])


def test_symbols_stay_tied_together_and_direction_is_gone(market: Market) -> None:
    real, other = returns(market), returns(mirrored(market, 2))
    np.testing.assert_allclose(other.corr(), real.corr(), atol=0.05)
    signs = np.sign(other / real).iloc[1:]
    assert (signs.nunique(axis=1) == 1).all()
    assert abs(signs.iloc[:, 0].mean()) < 4.0 / np.sqrt(len(signs))


def test_what_was_bought_is_sold_in_a_bar_turned_over() -> None:
    market = make_market(SyntheticConfig(symbols=1, bars=500, interval="1h"), 3)
    ((name, candles),) = market.items()
    candles.frame["taker_buy_volume"] = 0.7 * candles.frame["volume"]
    other = mirrored(market, 1)[name].frame
    turned = np.log(other["close"]).diff() * np.log(candles.frame["close"]).diff() < 0.0
    share = other["taker_buy_volume"] / other["volume"]
    np.testing.assert_allclose(share[turned], 0.3)
    np.testing.assert_allclose(share[~turned].iloc[1:], 0.7)


def test_the_seed_decides(market: Market) -> None:
    one, same, other = (mirrored(market, seed) for seed in (1, 1, 2))
    name = next(iter(market))
    assert one[name].frame.equals(same[name].frame)
    assert not one[name].frame.equals(other[name].frame)
