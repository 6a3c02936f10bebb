import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles, Market
from deepstack.errors import DataError
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.trading import equity_scores, outcome_scores

HOUR = pd.Timedelta("1h")
TIMES = pd.date_range("2024-01-01", periods=6, freq=HOUR, tz="UTC", unit="ms")


def by_hand() -> tuple[Market, pd.DataFrame]:
    """Long A from bar 0 to 3, risk 2; short B from bar 1 to 2, risk 5; both cost 10 bps a side."""
    closes = {"A": [100.0, 101.0, 99.0, 104.0, 104.0, 104.0], "B": [50.0, 50.0, 45.0, 44.0, 43.0, 42.0]}
    market = {
        name: Candles(name, HOUR, pd.DataFrame({"close": close}, index=TIMES.rename("close_time")))
        for name, close in closes.items()
    }
    rows = []
    for symbol, side, first, last, entry, exit_price, risk in (
        ("A", 1, 0, 3, 100.0, 104.0, 2.0),
        ("B", -1, 1, 2, 50.0, 45.0, 5.0),
    ):
        gross_r = side * (exit_price - entry) / risk
        net_r = gross_r - 1e-3 * (entry + exit_price) / risk
        rows.append((symbol, side, TIMES[first], TIMES[last], entry, exit_price, risk, gross_r, net_r, net_r > 0))
    names = [
        "symbol",
        "side",
        "decision_time",
        "end_time",
        "entry_price",
        "exit_price",
        "risk",
        "gross_r",
        "net_r",
        "won",
    ]
    return market, pd.DataFrame(rows, columns=names)


def test_two_overlapping_trades_by_hand() -> None:
    market, trades = by_hand()
    curve = equity_curve(mark_trades(trades, market), np.array([True, True]), 0.01)
    stake_a = 0.01
    bar1 = 1.0 + stake_a * ((101.0 - 100.0) / 2.0 - 0.1 / 2.0)
    stake_b = 0.01 * bar1
    net_a, net_b = 2.0 - 0.204 / 2.0, 1.0 - 0.095 / 5.0
    bar2 = 1.0 + stake_a * ((99.0 - 100.0) / 2.0 - 0.1 / 2.0) + stake_b * net_b
    bar3 = 1.0 + stake_a * net_a + stake_b * net_b
    np.testing.assert_allclose(curve.value, [1.0, bar1, bar2, bar3], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(curve.times, TIMES[:4])


def test_taking_nothing_is_flat_and_undefined(trades: pd.DataFrame, market: Market) -> None:
    nothing = np.zeros(len(trades), bool)
    curve = equity_curve(mark_trades(trades, market), nothing, 0.01)
    np.testing.assert_array_equal(curve.value, 1.0)
    scores = equity_scores(curve)
    assert (scores["sharpe"], scores["sortino"], scores["max_drawdown"]) == (None, None, 0.0)
    outcomes = outcome_scores(trades["won"].to_numpy(), trades["net_r"].to_numpy(), nothing)
    assert (outcomes["win_rate"], outcomes["expectancy_r"], outcomes["profit_factor"]) == (None, None, None)
    assert outcome_scores(np.array([True]), np.array([1.0]), np.array([True]))["profit_factor"] is None


def test_marks_of_each_trade_sum_to_its_net_outcome(trades: pd.DataFrame, market: Market) -> None:
    marks = mark_trades(trades, market)
    sums = np.bincount(marks.trade, weights=marks.change_r, minlength=len(trades))
    np.testing.assert_allclose(sums, trades["net_r"], atol=1e-12)


def test_equity_ends_at_the_realised_outcomes(trades: pd.DataFrame, market: Market) -> None:
    taken = np.arange(len(trades)) % 3 == 0
    curve = equity_curve(mark_trades(trades, market), taken, 0.01)
    at_decision = pd.Series(curve.value, index=curve.times).reindex(trades["decision_time"]).to_numpy()
    expected = 1.0 + 0.01 * np.sum(at_decision[taken] * trades["net_r"].to_numpy()[taken])
    assert curve.value[-1] == pytest.approx(expected, abs=1e-12)


def test_later_candles_do_not_move_the_past(trades: pd.DataFrame, market: Market) -> None:
    cut = market["S0"].frame.index[700]
    noisy = {}
    for name, candles in market.items():
        frame = candles.frame.copy()
        frame.loc[frame.index > cut, "close"] *= 1.5
        noisy[name] = Candles(name, HOUR, frame)
    everything = np.ones(len(trades), bool)
    first, second = (equity_curve(mark_trades(trades, m), everything, 0.01) for m in (market, noisy))
    past = first.times <= cut
    np.testing.assert_array_equal(first.value[past], second.value[past])


def test_a_ruined_account_stays_ruined(market: Market, trades: pd.DataFrame) -> None:
    curve = equity_curve(mark_trades(trades, market), np.ones(len(trades), bool), 1.0)
    assert curve.value.min() == 0.0
    ruin = int(np.argmax(curve.value == 0.0))
    np.testing.assert_array_equal(curve.value[ruin:], 0.0)
    scores = equity_scores(curve)
    assert (scores["max_drawdown"], scores["total_return"]) == (-1.0, -1.0)
    assert scores["sharpe"] is not None and np.isfinite(scores["sharpe"])


def test_an_outage_keeps_the_last_worth_and_a_regular_calendar() -> None:
    market, trades = by_hand()
    with_hole = market["A"].frame.drop(TIMES[4])
    market = {"A": Candles("A", HOUR, with_hole)}
    second = trades.iloc[[0]].assign(decision_time=TIMES[3], end_time=TIMES[5], entry_price=104.0, exit_price=104.0)
    both = pd.concat([trades.iloc[[0]], second], ignore_index=True)
    curve = equity_curve(mark_trades(both, market), np.array([True, True]), 0.01)
    np.testing.assert_array_equal(curve.times, TIMES)
    assert curve.value[4] == curve.value[3]


def test_candles_that_do_not_hold_a_trade_are_refused(trades: pd.DataFrame, market: Market) -> None:
    with pytest.raises(DataError, match="no candles of this symbol"):
        mark_trades(trades, {"S0": market["S0"]})
    shorter = {name: Candles(name, HOUR, c.frame.iloc[:200]) for name, c in market.items()}
    with pytest.raises(DataError, match="no bar that closed at"):
        mark_trades(trades, shorter)


@pytest.mark.slow
def test_ten_thousand_trades_take_under_two_seconds(sample: Callable[..., tuple[Market, pd.DataFrame]]) -> None:
    market, trades = sample(10, 20_000, 10_000, 5)
    started = time.process_time()
    equity_scores(equity_curve(mark_trades(trades, market), np.ones(len(trades), bool), 0.01))
    assert time.process_time() - started < 2.0
