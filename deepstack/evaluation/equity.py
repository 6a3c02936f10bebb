"""What an account would have been worth at every bar, had it taken a given selection of trades."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles, Market
from deepstack.errors import DataError
from deepstack.evaluation.times import milliseconds


@dataclass(frozen=True)
class Marks:
    """The outcome of each trade, bar by bar, in R: what an equity curve is summed from, whatever is taken.

    Attributes:
        times: datetime64[ms, UTC] [bars], every bar close from the first decision to the last end, gaps included.
        interval: length of a bar.
        decided_bar: int64 [trades], the bar whose equity sizes the trade.
        bar, trade: int64 [marks], sorted by bar: which trade moved at which bar.
        change_r: float64 [marks], by how much, in R. A trade's changes sum to its net_r.
    """

    times: pd.DatetimeIndex
    interval: pd.Timedelta
    decided_bar: np.ndarray
    bar: np.ndarray
    trade: np.ndarray
    change_r: np.ndarray


@dataclass(frozen=True)
class Equity:
    """An account's worth over time, starting at 1.

    Attributes:
        times: datetime64[ms, UTC] [bars].
        interval: length of a bar.
        value: float64 [bars].
    """

    times: pd.DatetimeIndex
    interval: pd.Timedelta
    value: np.ndarray


def mark_trades(trades: pd.DataFrame, market: Market) -> Marks:
    """Mark every trade at the close of each bar it was open.

    The entry cost is charged at the first mark and the exit cost at the last, each in proportion to the price traded;
    between them the mark is the close against the entry, and the last mark is the realised net outcome.

    Args:
        trades: frame of TRADE_COLUMNS.
        market: candles that hold every bar between decision and end of each trade.

    Raises:
        DataError: no trades, or a trade whose bars the market does not hold.
    """
    if trades.empty:
        raise DataError("trades", expected="at least one trade", received="none", remedy="use a longer slice")
    decided_ms, end_ms = milliseconds(trades["decision_time"]), milliseconds(trades["end_time"])
    interval = next(iter(market.values())).interval
    step_ms = interval // pd.Timedelta(1, "ms")
    start_ms = int(decided_ms.min())
    parts = [
        _mark_symbol(trades, np.flatnonzero(trades["symbol"] == symbol), market, str(symbol), decided_ms, end_ms)
        for symbol in trades["symbol"].unique()
    ]
    trade, mark_ms, change_r = (np.concatenate(column) for column in zip(*parts, strict=True))
    # A mark counts at the first grid bar that is not before it, a decision at the last that is not after it:
    # a symbol off the others' grid is never seen early.
    bar = -((start_ms - mark_ms) // step_ms)
    order = np.argsort(bar, kind="stable")
    grid_ms = start_ms + step_ms * np.arange(bar[order[-1]] + 1)
    return Marks(
        times=pd.DatetimeIndex(grid_ms.astype("datetime64[ms]"), name="close_time").tz_localize("UTC"),
        interval=interval,
        decided_bar=(decided_ms - start_ms) // step_ms,
        bar=bar[order],
        trade=trade[order],
        change_r=change_r[order],
    )


def _mark_symbol(
    trades: pd.DataFrame, rows: np.ndarray, market: Market, symbol: str, decided_ms: np.ndarray, end_ms: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trade row, time in ms and change in R of every mark of one symbol."""
    candles = market.get(symbol)
    if candles is None:
        raise _missing(symbol, "no candles of this symbol")
    first, last = (_bar_of(candles, moments[rows]) for moments in (decided_ms, end_ms))
    bars = last - first
    if (bars < 1).any():
        raise _missing(symbol, "a trade that ends before its first bar")
    trade = np.repeat(np.arange(len(rows)), bars)
    starts = np.cumsum(bars) - bars
    at = np.arange(bars.sum()) - np.repeat(starts, bars) + np.repeat(first + 1, bars)

    own = trades.iloc[rows]
    side, risk, entry, exit_price, gross_r, net_r = (
        own[name].to_numpy(np.float64) for name in ("side", "risk", "entry_price", "exit_price", "gross_r", "net_r")
    )
    entry_cost_r = (gross_r - net_r) * entry / (entry + exit_price)
    close = candles.frame["close"].to_numpy()[at]
    mark_r = side[trade] * (close - entry[trade]) / risk[trade] - entry_cost_r[trade]
    mark_r[starts + bars - 1] = net_r
    change_r = np.diff(mark_r, prepend=0.0)
    change_r[starts] = mark_r[starts]
    return rows[trade], milliseconds(candles.frame.index)[at], change_r


def _bar_of(candles: Candles, moments_ms: np.ndarray) -> np.ndarray:
    """Row of the bar that closed at each moment."""
    closes_ms = milliseconds(candles.frame.index)
    at = np.searchsorted(closes_ms, moments_ms)
    absent = np.flatnonzero(closes_ms[np.minimum(at, len(closes_ms) - 1)] != moments_ms)
    if absent.size:
        raise _missing(
            candles.symbol, f"no bar that closed at {pd.Timestamp(moments_ms[absent[0]], unit='ms', tz='UTC')}"
        )
    return at


def _missing(symbol: str, received: str) -> DataError:
    return DataError(
        f"trades of {symbol}",
        expected="candles of every bar a trade was open",
        received=received,
        remedy="mark trades with the candles they were labelled on",
    )


def equity_curve(marks: Marks, taken: np.ndarray, risk_share: float) -> Equity:
    """Worth of an account that starts at 1 and risks `risk_share` of its marked equity on each taken trade.

    Positions overlap freely and each keeps its size until its end. An account that reaches 0 is ruined and stays there.

    Args:
        marks: of all candidate trades, so that every selection is judged over the same calendar span.
        taken: bool [trades].
        risk_share: fraction of equity lost when a trade loses 1 R.
    """
    kept = taken[marks.trade]
    trade, change_r = marks.trade[kept], marks.change_r[kept]
    edges = np.searchsorted(marks.bar[kept], np.arange(len(marks.times) + 1))
    by_decision = np.argsort(marks.decided_bar, kind="stable")
    decided_edges = np.searchsorted(marks.decided_bar[by_decision], np.arange(len(marks.times) + 1))

    stake = np.zeros(len(taken))
    value = np.ones(len(marks.times))
    equity = 1.0
    for k in range(len(value)):
        a, b = edges[k], edges[k + 1]
        if b > a:
            equity += float(stake[trade[a:b]] @ change_r[a:b])
            if equity <= 0.0:
                value[k:] = 0.0
                break
        stake[by_decision[decided_edges[k] : decided_edges[k + 1]]] = risk_share * equity
        value[k] = equity
    return Equity(marks.times, marks.interval, value)
