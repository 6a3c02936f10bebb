"""Candles of a market → the arrays that features read, with the other symbols' returns beside them."""

import numpy as np
import pandas as pd

from deepstack.candles.market import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Market
from deepstack.features.bars import Bars


def carried_by(market: Market) -> frozenset[str]:
    """What all symbols of the market carry beyond OHLCV: optional columns, and `peers` if there are several."""
    columns = {name for name in OPTIONAL_COLUMNS if all(name in candles.frame.columns for candles in market.values())}
    return frozenset(columns | ({"peers"} if len(market) > 1 else set()))


def bars_of(market: Market, symbol: str, tail: int | None = None) -> Bars:
    """The last `tail` candles of one symbol (all of them by default) as the arrays features read, peers included."""
    candles = market[symbol]
    frame = candles.frame if tail is None else candles.frame.iloc[-tail:]
    close_ms = _clock(frame)
    column = {
        name: np.ascontiguousarray(frame[name].to_numpy(dtype=np.float64))
        for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
        if name in frame.columns
    }
    return Bars(
        open=column["open"],
        high=column["high"],
        low=column["low"],
        close=column["close"],
        volume=column["volume"],
        close_ms=close_ms,
        interval_ms=int(candles.interval // pd.Timedelta(1, "ms")),
        extra={name: column[name] for name in OPTIONAL_COLUMNS if name in column},
        peers=_peer_returns(market, symbol, close_ms) if len(market) > 1 else None,
    )


def _clock(frame: pd.DataFrame) -> np.ndarray:
    return pd.DatetimeIndex(frame.index).as_unit("ms").asi8


def _peer_returns(market: Market, symbol: str, close_ms: np.ndarray) -> np.ndarray:
    """[bars, other symbols]: each peer's log return over the bar that closed at the same moment, NaN without one."""
    others = [candles for name, candles in market.items() if name != symbol]
    out = np.full((len(close_ms), len(others)), np.nan)
    for j, peer in enumerate(others):
        clock, step = _clock(peer.frame), int(peer.interval // pd.Timedelta(1, "ms"))
        start = max(int(np.searchsorted(clock, close_ms[0])) - 1, 0) if len(close_ms) else 0
        clock, close = clock[start:], peer.frame["close"].to_numpy(dtype=np.float64)[start:]
        if len(clock) < 2:
            continue
        move = np.where(np.diff(clock) == step, np.log(close[1:] / close[:-1]), np.nan)
        at = np.minimum(np.searchsorted(clock[1:], close_ms), len(move) - 1)
        out[:, j] = np.where(clock[1:][at] == close_ms, move[at], np.nan)
    return out
