"""The synthetic market has the stylised facts it promises, and its edge can be switched off."""

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import REQUIRED_COLUMNS, Market
from deepstack.candles.synthetic import START, make_market
from deepstack.config.data import SyntheticConfig
from deepstack.errors import ConfigError


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(SyntheticConfig(symbols=8, bars=6000, edge=0.0), seed=3)


def test_shape_and_consistency(market: Market) -> None:
    assert list(market) == [f"SYN{k:02d}" for k in range(1, 9)]
    for candles in market.values():
        frame = candles.frame
        assert list(frame.columns) == list(REQUIRED_COLUMNS)
        assert len(frame) == 6000 and candles.segments() == [slice(0, 6000)]
        assert frame.index[0] == START + pd.Timedelta("1h")
        assert frame.index.name == "close_time" and str(frame.index.dtype) == "datetime64[ms, UTC]"
        assert np.isfinite(frame.to_numpy()).all() and (frame.to_numpy() > 0).all()
        assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all()
        assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()


def test_same_seed_same_market_other_seed_other_market() -> None:
    config = SyntheticConfig(symbols=2, bars=500)
    first, again, other = (make_market(config, seed)["SYN02"].frame for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["close"], other["close"])


def test_returns_are_uncorrelated_fat_tailed_and_clustered(market: Market) -> None:
    returns = pd.DataFrame({s: np.log(c.frame["close"]).diff() for s, c in market.items()}).dropna()
    assert abs(np.mean([returns[s].autocorr(1) for s in returns])) < 0.02
    assert returns.kurt().mean() > 2.0
    assert np.mean([returns[s].abs().autocorr(1) for s in returns]) > 0.1
    assert np.mean([returns[s].abs().autocorr(20) for s in returns]) > 0.04
    assert 0.006 < returns.std().mean() < 0.011
    off_diagonal = returns.corr().to_numpy()[np.triu_indices(8, 1)]
    assert 0.2 < off_diagonal.mean() < 0.35


def test_volume_persists_follows_moves_and_the_time_of_day(market: Market) -> None:
    for candles in market.values():
        log_volume = np.log(candles.frame["volume"])
        move = np.log(candles.frame["close"] / candles.frame["open"]).abs()
        assert log_volume.autocorr(24) > 0.2
        assert log_volume.corr(move) > 0.1
    by_hour = np.log(market["SYN01"].frame["volume"]).groupby(market["SYN01"].frame.index.hour).mean()
    assert by_hour.loc[12:18].mean() > by_hour.loc[0:6].mean() + 0.15


def test_edge_changes_the_future_not_the_law_of_the_rest() -> None:
    still, moved = (
        make_market(SyntheticConfig(symbols=2, bars=500, edge=edge), seed=9)["SYN01"].frame for edge in (0.0, 1.0)
    )
    assert not np.allclose(still["close"], moved["close"])
    assert np.corrcoef(np.log(still["volume"]), np.log(moved["volume"]))[0, 1] > 0.95


@pytest.mark.parametrize("interval", ["1min", "1D"])
def test_bar_interval_sets_the_index_only(interval: str) -> None:
    candles = make_market(SyntheticConfig(symbols=1, bars=500, interval=interval), seed=1)["SYN01"]
    assert candles.interval == pd.Timedelta(interval)
    assert candles.frame.index[-1] == START + 500 * pd.Timedelta(interval)


@pytest.mark.parametrize("interval", ["soon", "0h", "-1h"])
def test_unusable_interval_is_named(interval: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.synthetic\.interval"):
        make_market(SyntheticConfig(symbols=1, bars=500, interval=interval), seed=1)
