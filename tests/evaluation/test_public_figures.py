"""Every trading figure against a public package on the same account."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from backtesting import Backtest, Strategy
from backtesting.lib import FractionalBacktest, compute_stats
from quantstats import stats

from deepstack.candles.market import Market
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.trading import activity, equity_scores, outcome_scores

HOURS_A_YEAR = 365 * 24


@pytest.fixture(scope="module")
def taken(trades: pd.DataFrame) -> np.ndarray:
    return np.arange(len(trades)) % 3 != 0


@pytest.fixture(scope="module")
def returns(trades: pd.DataFrame, taken: np.ndarray, market: Market) -> pd.Series:
    curve = equity_curve(mark_trades(trades, market), taken, 0.01)
    return pd.Series(curve.value, index=curve.times.tz_localize(None)).pct_change().iloc[1:]


@pytest.mark.parametrize("name", ["sharpe", "sortino", "calmar", "max_drawdown"])
def test_figures_of_the_account(
    name: str, returns: pd.Series, trades: pd.DataFrame, taken: np.ndarray, market: Market
) -> None:
    ours = equity_scores(equity_curve(mark_trades(trades, market), taken, 0.01))[name]
    periods = {} if name == "max_drawdown" else {"periods": HOURS_A_YEAR}
    assert ours == pytest.approx(getattr(stats, name)(returns, **periods), rel=1e-9)


@pytest.mark.parametrize("name", ["win_rate", "profit_factor"])
def test_figures_of_single_trades(name: str, trades: pd.DataFrame, taken: np.ndarray) -> None:
    net_r = trades["net_r"].to_numpy()
    ours = outcome_scores(trades["won"].to_numpy(), net_r, taken)[name]
    theirs = getattr(stats, name)(pd.Series(net_r[taken]), prepare_returns=False)
    assert ours == pytest.approx(theirs, rel=1e-9)


class Idle(Strategy):
    """Trades nothing: the trades are given to the statistics afterwards."""

    def init(self) -> None: ...

    def next(self) -> None: ...


def test_exposure_is_that_of_backtesting(trades: pd.DataFrame, market: Market) -> None:
    few = np.arange(len(trades)) % 10 == 1
    marks = mark_trades(trades, market)
    bars = pd.DataFrame(1.0, index=marks.times.tz_localize(None), columns=["Open", "High", "Low", "Close"])
    idle = Backtest(bars, Idle).run()
    spans = pd.Series(marks.bar).groupby(marks.trade).agg(["min", "max"])[few[np.unique(marks.trade)]]
    times = {"EntryTime": bars.index[spans["min"]], "ExitTime": bars.index[spans["max"]]}
    given = pd.DataFrame({"EntryBar": spans["min"], "ExitBar": spans["max"], "PnL": 0.0, "ReturnPct": 0.0, **times})
    given["Duration"] = given["ExitTime"] - given["EntryTime"]
    given["Commission"] = 0.0
    theirs = compute_stats(stats=idle, data=bars, trades=given)["Exposure Time [%]"] / 100.0
    ours = activity(marks, trades, few, 0.01)["exposure"]
    assert 0.01 < ours < 0.9
    assert ours == pytest.approx(theirs, rel=1e-9)


class Takes(Strategy):
    """Takes our trades at the next open, sized by the account at the decision; hedged, so that they overlap freely."""

    decided: ClassVar[dict[int, list[tuple[int, int, float]]]] = {}
    ends: ClassVar[dict[int, int]] = {}

    def init(self) -> None: ...

    def next(self) -> None:
        for trade in list(self.trades):
            if trade.tag is not None and self.ends[trade.tag] == len(self.data) - 1:
                trade.close()
        for number, side, risk in self.decided.get(len(self.data) - 1, ()):
            units = round(RISK * self.equity / (risk * UNIT))
            (self.buy if side > 0 else self.sell)(size=units, tag=number)


RISK, UNIT = 0.01, 1e-12


def test_the_account_is_that_of_backtesting(sample: Callable[..., tuple[Market, pd.DataFrame]]) -> None:
    """Bar by bar, overlapping longs and shorts of one market with costs; an exit there is filled at the next open."""
    market, trades = sample(1, 600, 90, 3)
    trades = trades[~trades["decision_time"].isin(trades["end_time"])].reset_index(drop=True)  # sized after the exit
    ((_, candles),) = market.items()
    frame = candles.frame
    bars = frame.rename(columns=str.title)[["Open", "High", "Low", "Close", "Volume"]]
    bars.index = bars.index.tz_localize(None)
    decided, ended = (frame.index.get_indexer(trades[name]) for name in ("decision_time", "end_time"))
    Takes.ends = dict(enumerate(ended.tolist()))
    Takes.decided = {}
    for number, (bar, side, risk) in enumerate(zip(decided, trades["side"], trades["risk"], strict=True)):
        Takes.decided.setdefault(int(bar), []).append((number, side, risk))
    cost = (
        (trades["gross_r"] - trades["net_r"]) * trades["risk"] / (trades["entry_price"] + trades["exit_price"])
    ).mean()
    theirs = FractionalBacktest(
        bars, Takes, cash=1.0, fractional_unit=UNIT, commission=cost, margin=1e-3, hedging=True
    ).run()["_equity_curve"]["Equity"]
    marks = mark_trades(trades, market)
    ours = equity_curve(marks, np.ones(len(trades), bool), RISK)
    found = theirs.loc[ours.times.tz_localize(None)].to_numpy()
    left = ~np.isin(np.arange(len(found)), ended - decided.min())  # they pay for an exit one bar later
    assert left.sum() > 200
    np.testing.assert_allclose(ours.value[left], found[left], rtol=1e-9)
    assert np.ptp(ours.value) > 0.05


@pytest.mark.filterwarnings("ignore:Module .zipline:UserWarning")
def test_turnover_is_that_of_pyfolio(trades: pd.DataFrame, taken: np.ndarray, market: Market) -> None:
    from pyfolio.txn import get_turnover

    marks, kept = mark_trades(trades, market), trades[taken]
    quantity = kept["side"] * 0.01 / kept["risk"]  # of an account of 1 at each decision
    bought = pd.DataFrame({"amount": quantity, "price": kept["entry_price"], "symbol": kept["symbol"]})
    sold = pd.DataFrame({"amount": -quantity, "price": kept["exit_price"], "symbol": kept["symbol"]})
    bought.index, sold.index = pd.DatetimeIndex(kept["entry_time"]), pd.DatetimeIndex(kept["end_time"])
    transactions = pd.concat([bought, sold]).sort_index()
    days = pd.date_range(transactions.index[0].normalize(), transactions.index[-1].normalize(), freq="D")
    account = pd.DataFrame({symbol: 0.0 for symbol in market} | {"cash": 1.0}, index=days)
    theirs = get_turnover(account, transactions, "portfolio_value").sum() / (len(marks.times) / HOURS_A_YEAR)
    assert activity(marks, trades, taken, 0.01)["turnover"] == pytest.approx(theirs, rel=1e-9)
