"""Donchian breakout trades: which bars raise a signal, and how each trade ended."""

import bottleneck as bn
import numpy as np
import pandas as pd

from deepstack.candles.market import Candles, Market
from deepstack.config.labels import LabelsConfig
from deepstack.errors import DataError
from deepstack.labels.outcome import EXITS, Bar, resolve, result_in_r
from deepstack.labels.trades import TRADE_COLUMNS


def label_breakouts(market: Market, config: LabelsConfig) -> pd.DataFrame:
    """Label every breakout of every symbol.

    A bar is a candidate when its close is above the highest high (long) or below the lowest low (short) of the
    `channel_bars` bars before it. The trade is entered at the next bar's open with its stop `stop_atr` average true
    ranges away; `outcome.resolve` says how it ends. Nothing is computed across a missing bar.

    Returns:
        One row a trade with the columns of TRADE_COLUMNS, sorted by decision time then symbol, index 0…n-1.

    Raises:
        DataError: there is no trade at all, or all are won, or all are lost.
    """
    return label_and_count(market, config)[0]


def label_and_count(market: Market, config: LabelsConfig) -> tuple[pd.DataFrame, int]:
    """`label_breakouts`, and the count of candidates dropped.

    Dropped are those whose outcome was not yet known when a bar was missing or the data ended.
    """
    frames, dropped = [], 0
    for candles in market.values():
        rows, side, risk = find_breakouts(candles, config)
        trades, _ = follow(candles, rows, side, risk, config)
        dropped += len(rows) - len(trades)
        frames.append(trades)
    trades = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(TRADE_COLUMNS))
    _require_both_classes(trades, dropped, sum(len(c) for c in market.values()), config)
    return trades.sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True), dropped


def find_breakouts(candles: Candles, config: LabelsConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The candidates of one symbol, each from bars at or before its own.

    Returns:
        rows: int64 [candidates], the bar whose close broke the channel, ascending.
        side: int8 [candidates], +1 long or -1 short.
        risk: float64 [candidates], `stop_atr` times the average true range, in price; > 0, as a break is a movement.
    """
    pieces = []
    for segment in candles.segments():
        high, low, close = (candles.frame[name].to_numpy()[segment] for name in ("high", "low", "close"))
        if len(close) <= config.channel_bars:
            continue
        side = _breaks(high, low, close, config)
        atr = average_true_range(high, low, close, config.atr_bars)
        rows = np.flatnonzero((side != 0) & ~np.isnan(atr))
        pieces.append((rows + segment.start, side[rows], config.stop_atr * atr[rows]))
    if not pieces:
        return np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0)
    all_rows, all_sides, all_risks = zip(*pieces, strict=True)
    return np.concatenate(all_rows), np.concatenate(all_sides), np.concatenate(all_risks)


def average_true_range(high: np.ndarray, low: np.ndarray, close: np.ndarray, bars: int) -> np.ndarray:
    """Plain mean of the true range over the last `bars` bars, float64 [rows], NaN in the first `bars` rows.

    Not Wilder's recursive smoothing, whose memory never ends: here `bars` + 1 bars fix the value.
    """
    before = close[:-1]
    true_range = np.full(len(close), np.nan)
    true_range[1:] = np.maximum(high[1:], before) - np.minimum(low[1:], before)
    result = np.full(len(close), np.nan)
    if len(close) > bars:
        result[bars:] = np.lib.stride_tricks.sliding_window_view(true_range[1:], bars).mean(axis=1)
    return result


def _breaks(high: np.ndarray, low: np.ndarray, close: np.ndarray, config: LabelsConfig) -> np.ndarray:
    """+1, -1 or 0 a bar: the side on which its close left the channel of the bars before it."""
    n = config.channel_bars
    side = np.zeros(len(close), np.int8)
    if config.direction != "short":
        side[n:][close[n:] > bn.move_max(high, n)[n - 1 : -1]] = 1
    if config.direction != "long":
        side[n:][close[n:] < bn.move_min(low, n)[n - 1 : -1]] = -1
    return side


def follow(
    candles: Candles, rows: np.ndarray, side: np.ndarray, risk: np.ndarray, config: LabelsConfig
) -> tuple[pd.DataFrame, np.ndarray]:
    """Follow candidates of one symbol to their ends.

    Args:
        candles: of the symbol.
        rows: int64 [candidates], the bar before each entry.
        side, risk: [candidates].

    Returns:
        A frame of TRADE_COLUMNS, the trades whose outcome is known; and which candidates they are, bool [candidates].
    """
    columns = [candles.frame[name].to_numpy() for name in ("open", "high", "low", "close")]
    segment_end = np.zeros(len(candles), np.int64)
    for segment in candles.segments():
        segment_end[segment] = segment.stop
    end = segment_end[rows]

    def bar_at(k: int) -> Bar:
        at = rows + 1 + k
        missing = at >= end
        safe = np.where(missing, rows, at)
        return Bar(*(np.where(missing, np.nan, column[safe]) for column in columns))

    entry_price = bar_at(0).open
    outcome = resolve(bar_at, side, entry_price, risk, config)
    known = outcome.exit >= 0
    rows, side, risk = rows[known], side[known], risk[known]
    entry_price, exit_price = entry_price[known], outcome.exit_price[known]
    gross_r, net_r = result_in_r(side, entry_price, exit_price, risk, config)
    times = pd.DatetimeIndex(candles.frame.index).as_unit("ms")
    trades = pd.DataFrame(
        {
            "symbol": candles.symbol,
            "side": side,
            "decision_time": times[rows],
            "entry_time": (times[rows + 1] - candles.interval).as_unit("ms"),
            "end_time": times[rows + outcome.holding_bars[known]],
            "entry_price": entry_price,
            "exit_price": exit_price,
            "risk": risk,
            "gross_r": gross_r,
            "net_r": net_r,
            "won": net_r > 0.0,
            "exit": np.array(EXITS)[outcome.exit[known]],
        }
    )
    return trades, known


def _require_both_classes(trades: pd.DataFrame, dropped: int, bars: int, config: LabelsConfig) -> None:
    if trades.empty:
        raise DataError(
            "labels",
            expected=f"at least one breakout of the {config.channel_bars}-bar channel",
            received=f"none in {bars} bars, {dropped} unfinished",
            remedy="more bars, a shorter labels.channel_bars or labels.max_holding_bars",
        )
    if trades["won"].nunique() == 1:
        outcome = "won" if trades["won"].iloc[0] else "lost"
        raise DataError(
            "labels",
            expected="won and lost trades",
            received=f"{len(trades)} trades, all {outcome}",
            remedy="more bars, another labels.target_r or labels.stop_atr, or lower costs",
        )
