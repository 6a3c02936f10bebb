"""Auditing a user's own feature: any function of a frame of candles."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from deepstack.audit.findings import Link, Offence
from deepstack.audit.futures import FUTURES
from deepstack.candles.market import Candles
from deepstack.errors import DataError

ROWS = 2000
PAST_BARS = 1000


def audit_function(function: Callable[[pd.DataFrame], Any], candles: Candles, rows: int = ROWS) -> Link:
    """Does a feature of your own look ahead?

    At each of the last `rows` bars every later bar is replaced by noise, by a constant, and taken away; no value at or
    before it may move in any bit.

    Args:
        function: frame of `open high low close volume`, indexed by close time → a series, an array or a frame with one
            row a bar.
        candles: of one symbol; the last `rows` + 1,000 bars are used.
        rows: bars checked.

    Returns:
        A link whose `offence` is None when it holds.

    Raises:
        DataError: the function does not return one row a bar, or there are too few bars.
    """
    name = getattr(function, "__name__", "function")
    frame = candles.frame.iloc[-(rows + PAST_BARS) :]
    if len(frame) < 3:
        raise DataError(name, expected="candles", received=f"{len(frame)} bars", remedy="more bars")
    whole = Candles(candles.symbol, candles.interval, frame)
    base = _values(function, frame, name)
    checked = frame.index[-min(rows, len(frame) - 2) - 1 : -1]
    covers = f"{len(checked):,} rows × {len(FUTURES)} futures"
    for moment in checked:
        count = int(frame.index.searchsorted(moment, side="right"))
        for future, change in FUTURES.items():
            other = change({candles.symbol: whole}, moment, 0)[candles.symbol].frame
            early = _values(function, other, name)[:count]
            same = (early == base[:count]) | (np.isnan(early) & np.isnan(base[:count]))
            if not same.all():
                row = int(np.flatnonzero(~same.all(axis=1))[0])
                lag = count - row  # of the earliest that moved: how far ahead it looks
                where = f"{candles.symbol} {frame.index[row].isoformat()}"
                how = f"moved when bars {lag} bar{'s' * (lag > 1)} later became {future}"
                return Link(name, covers, Offence(name, where, how))
    return Link(name, covers)


def _values(function: Callable[[pd.DataFrame], Any], frame: pd.DataFrame, name: str) -> np.ndarray:
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
