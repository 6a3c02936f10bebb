"""Auditing a user's own feature: any function of a frame of candles."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pandas as pd

from deepstack.audit.findings import Link, Offence
from deepstack.audit.futures import FUTURES
from deepstack.candles.market import Candles, Market, as_market
from deepstack.errors import DataError

ROWS = 2000
PAST_BARS = 1000
MOST_GAPS = 25
AROUND_GAP = 3
PATIENCE_S = 120.0
"""After which the answer of another process is no longer waited for."""

Function = Callable[[pd.DataFrame], Any]


def audit_function(function: Function, candles: Candles | Market, rows: int = ROWS) -> Link:
    """Does a feature of your own look ahead?

    At each of the last `rows` bars, and around the last gaps, every later bar is taken away, replaced by noise and by a
    constant; no value at or before it may move in any bit. What the whole gives is computed in a process of its own, so
    that a function that fits something at its first call is seen too.

    Args:
        function: frame of `open high low close volume`, indexed by close time → a series, an array or a frame with one
            row a bar.
        candles: of one symbol, or a market of one.
        rows: bars checked, each with 1,000 bars before the first of them.

    Returns:
        A link whose `offence` is None when it holds; `covers` says which bars were looked at, the others were not.

    Raises:
        DataError: the function does not return one row a bar, or there are too few bars.
    """
    name = getattr(function, "__name__", "function")
    (one,) = _one(candles, name)
    started, checked = time.perf_counter(), 0
    offence = None
    for frame, moments in _stretches(one, rows):
        whole = _in_fresh_state(function, frame, name)
        offence = _first_offence(function, Candles(one.symbol, one.interval, frame), moments, whole, name)
        checked += len(moments)
        if offence:
            break
    covers = f"{checked:,} of {len(one):,} bars, the last and those at gaps, × {len(FUTURES)} futures"
    return Link(name, covers, offence, seconds=time.perf_counter() - started)


def _one(candles: Candles | Market, name: str) -> list[Candles]:
    found = list(as_market(candles).values())
    if len(found) != 1 or len(found[0]) < 3:
        received = f"a market of {len(found)}" if len(found) != 1 else f"{len(found[0])} bars"
        raise DataError(name, expected="candles of one symbol", received=received, remedy='market["BTCUSDT"]')
    return found


def _stretches(candles: Candles, rows: int) -> Iterator[tuple[pd.DataFrame, pd.DatetimeIndex]]:
    """Bars, and those of them that are checked: the last ones, and some around the last gaps."""
    frame = candles.frame
    last = frame.iloc[-(rows + PAST_BARS) :]
    yield last, pd.DatetimeIndex(last.index[-min(rows, len(last) - 2) - 1 : -1])
    for run in candles.segments()[1:][-MOST_GAPS:]:
        around = frame.iloc[max(run.start - PAST_BARS, 0) : run.start + AROUND_GAP + 1]
        at = len(around) - AROUND_GAP - 1
        yield around, pd.DatetimeIndex(around.index[max(at - AROUND_GAP, 0) : at + AROUND_GAP])


def _first_offence(
    function: Function, candles: Candles, moments: pd.DatetimeIndex, whole: np.ndarray, name: str
) -> Offence | None:
    index = candles.frame.index
    for moment in moments:
        count = int(index.searchsorted(moment, side="right"))
        for future in ("truncation", "noise", "constant"):  # the past alone is shown first
            other = FUTURES[future]({candles.symbol: candles}, moment, 0)[candles.symbol].frame
            early = _values(function, other, name)[:count]
            same = (early == whole[:count]) | (np.isnan(early) & np.isnan(whole[:count]))
            if not same.all():
                row = int(np.flatnonzero(~same.all(axis=1))[0])
                lag = count - row  # of the earliest that moved: how far ahead it looks
                how = f"looks {lag} bar{'s' * (lag > 1)} ahead: it moved when later bars became {future}"
                return Offence(name, f"{candles.symbol} {index[row].isoformat()}", how)
    return None


def _in_fresh_state(function: Function, frame: pd.DataFrame, name: str) -> np.ndarray:
    """What the function gives where it has not been called before; here, where processes cannot be forked."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return _values(function, frame, name)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, frame, name), daemon=True)
    process.start()
    sender.close()
    try:
        found = receiver.recv() if receiver.poll(PATIENCE_S) else None
    except EOFError:
        found = None
    process.kill()
    process.join()
    return _values(function, frame, name) if found is None else np.asarray(found)


def _send(sender: Connection, function: Function, frame: pd.DataFrame, name: str) -> None:
    try:
        sender.send(_values(function, frame, name))
    except Exception:  # noqa: BLE001 - whatever it is, the caller meets it again and says it
        sender.send(None)


def _values(function: Function, frame: pd.DataFrame, name: str) -> np.ndarray:
    """What the function gives, float64 [bars, columns]."""
    values = np.asarray(function(frame.copy()), dtype=np.float64)
    if values.shape[:1] != (len(frame),):
        raise DataError(
            name,
            expected=f"{len(frame)} values, one a bar",
            received=f"an array of {values.shape}",
            remedy="a function that keeps every row, NaN where nothing is known yet",
        )
    return values.reshape(len(frame), -1)
