"""No delay changes nothing, a delay enters at a later open, and nothing is entered beyond a gap."""

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles, Market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.labels.breakout import follow, label_breakouts
from deepstack.labels.delayed import delayed
from deepstack.labels.trades import TRADE_COLUMNS

CONFIG = LabelsConfig()


@pytest.fixture(scope="module")
def market() -> Market:
    whole = make_market(SyntheticConfig(symbols=2, bars=3000, interval="1h"), 3)
    first = next(iter(whole))
    gapped = whole[first].frame.drop(whole[first].frame.index[1500:1510])
    return whole | {first: Candles(first, whole[first].interval, gapped)}


@pytest.fixture(scope="module")
def trades(market: Market) -> pd.DataFrame:
    return label_breakouts(market, CONFIG)


def test_no_delay_changes_nothing(trades: pd.DataFrame, market: Market) -> None:
    same, kept = delayed(trades, market, 0, CONFIG)
    np.testing.assert_array_equal(kept, np.arange(len(trades)))
    pd.testing.assert_frame_equal(same, trades, check_dtype=False)


def test_a_breakout_is_entered_at_the_later_open_with_its_own_risk(trades: pd.DataFrame, market: Market) -> None:
    later, kept = delayed(trades, market, 2, CONFIG)
    before = trades.iloc[kept].reset_index(drop=True)
    assert list(later.columns) == list(TRADE_COLUMNS)
    assert len(later) > 0.9 * len(trades)
    assert ((later["decision_time"] - before["decision_time"]) == pd.Timedelta("2h")).all()
    np.testing.assert_array_equal(later["risk"], before["risk"])
    for row in (0, len(later) // 2, len(later) - 1):
        frame = market[later["symbol"][row]].frame
        assert later["entry_price"][row] == frame["open"][frame.index > later["decision_time"][row]].iloc[0]


def test_a_breakout_delayed_is_followed_as_any_other(trades: pd.DataFrame, market: Market) -> None:
    name = trades["symbol"].iloc[0]
    later, kept = delayed(trades[trades["symbol"] == name].reset_index(drop=True), market, 1, CONFIG)
    own = trades[trades["symbol"] == name].iloc[kept]
    rows = market[name].frame.index.get_indexer(pd.DatetimeIndex(own["decision_time"])) + 1
    by_hand, known = follow(market[name], rows, own["side"].to_numpy(), own["risk"].to_numpy(), CONFIG)
    assert known.all()
    pd.testing.assert_frame_equal(later, by_hand, check_dtype=False)


def test_nothing_is_entered_beyond_a_gap(market: Market) -> None:
    name, candles = next(iter(market.items()))
    last = candles.frame.index[candles.segments()[0].stop - 1]
    row = {"symbol": name, "side": 1, "decision_time": last - pd.Timedelta("1h"), "risk": 1.0}
    trade = pd.DataFrame([{**dict.fromkeys(TRADE_COLUMNS, np.nan), **row}])
    trade["decision_time"] = pd.DatetimeIndex(trade["decision_time"])
    assert len(delayed(trade, market, 1, CONFIG)[1]) == 0


def test_a_move_ends_when_it_would_have_ended(market: Market) -> None:
    name, candles = list(market.items())[1]
    times, opened, close = candles.frame.index, candles.frame["open"].to_numpy(), candles.frame["close"].to_numpy()
    trade = pd.DataFrame(
        {
            "symbol": name,
            "side": [1, -1],
            "decision_time": times[[100, 200]],
            "entry_time": times[[100, 200]],
            "end_time": times[[104, 202]],
            "entry_price": opened[[101, 201]],
            "exit_price": close[[104, 202]],
            "risk": 2.0,
            "gross_r": 0.0,
            "net_r": 0.0,
            "won": False,
            "exit": "time",
        }
    )
    config = LabelsConfig(kind="horizons", fee_bps=0.0, slippage_bps=0.0)
    later, kept = delayed(trade, market, 2, config)
    assert kept.tolist() == [0]  # the other horizon has ended before its entry
    assert later["net_r"][0] == pytest.approx((close[104] - opened[103]) / 2.0)
    assert later["end_time"][0] == times[104]
