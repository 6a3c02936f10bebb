"""The same trades entered some bars later: what is left of an edge when the order takes its time."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles, Market
from deepstack.config.labels import LabelsConfig
from deepstack.labels.breakout import follow
from deepstack.labels.outcome import result_in_r


def delayed(
    trades: pd.DataFrame, market: Market, delay_bars: int, config: LabelsConfig
) -> tuple[pd.DataFrame, np.ndarray]:
    """Enter trades so many bars after the bar they were meant for.

    A breakout keeps its side and risk; stop, target and longest holding time count from the later entry. A move is
    followed until the end of its horizon all the same.

    Args:
        trades: frame of TRADE_COLUMNS.
        market: the candles they were labelled on.
        delay_bars: 0 enters at the open of the bar after the decision.
        config: how they were labelled.

    Returns:
        The trades that still can be entered before a gap, the end of the data or of the horizon, with `decision_time`
        the close before the later entry, sorted as labels are; and their positions in `trades`, int64.
    """
    frames = []
    for symbol in trades["symbol"].unique():
        positions = np.flatnonzero(trades["symbol"] == symbol)
        frame, kept = _ENTER[config.kind](market[str(symbol)], trades.iloc[positions], delay_bars, config)
        frames.append(frame.assign(position=positions[kept]))
    found = pd.concat(frames).sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True)
    return found.drop(columns="position"), found["position"].to_numpy(np.int64)


def _entry_rows(candles: Candles, trades: pd.DataFrame, delay_bars: int) -> tuple[np.ndarray, np.ndarray]:
    """The row before each later entry, and which entries lie before the next gap: int64 and bool [trades]."""
    rows = candles.frame.index.get_indexer(pd.DatetimeIndex(trades["decision_time"])) + delay_bars
    ends = np.concatenate([np.full(run.stop - run.start, run.stop) for run in candles.segments()])
    return rows, rows + 1 < ends[rows - delay_bars]


def _breakouts(
    candles: Candles, trades: pd.DataFrame, delay_bars: int, config: LabelsConfig
) -> tuple[pd.DataFrame, np.ndarray]:
    rows, reached = _entry_rows(candles, trades, delay_bars)
    kept = np.flatnonzero(reached)
    side, risk = (trades[name].to_numpy()[kept] for name in ("side", "risk"))
    found, known = follow(candles, rows[kept], side, risk, config)
    return found, kept[known]


def _moves(
    candles: Candles, trades: pd.DataFrame, delay_bars: int, config: LabelsConfig
) -> tuple[pd.DataFrame, np.ndarray]:
    rows, reached = _entry_rows(candles, trades, delay_bars)
    index = candles.frame.index
    kept = np.flatnonzero(reached & (rows < index.get_indexer(pd.DatetimeIndex(trades["end_time"]))))
    rows, found = rows[kept], trades.iloc[kept]
    entry = candles.frame["open"].to_numpy()[rows + 1]
    side, exit_price, risk = (found[name].to_numpy() for name in ("side", "exit_price", "risk"))
    gross_r, net_r = result_in_r(side, entry, exit_price, risk, config)
    times = pd.DatetimeIndex(index[rows])
    change = {"decision_time": times, "entry_time": times, "entry_price": entry, "gross_r": gross_r, "net_r": net_r}
    return found.assign(**change, won=net_r > 0.0), kept


_ENTER: dict[str, Callable[..., tuple[pd.DataFrame, np.ndarray]]] = {"breakout": _breakouts, "horizons": _moves}
