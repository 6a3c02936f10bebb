"""The record every later stage reads: candles by symbol, indexed by the moment each row became known."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from deepstack.candles.times import index_ms
from deepstack.errors import DataError

PRICE_COLUMNS = ("open", "high", "low", "close")
REQUIRED_COLUMNS = (*PRICE_COLUMNS, "volume")
OPTIONAL_COLUMNS = ("trades", "taker_buy_volume")


@dataclass(frozen=True)
class Candles:
    """The bars of one symbol.

    Attributes:
        symbol: name of the instrument.
        interval: length of a bar.
        frame: float64 `open high low close volume` and any of `trades taker_buy_volume`, strictly increasing
            `datetime64[ms, UTC]` index named `close_time`. Row t holds nothing later than t. A missing bar is a
            missing row, never a filled one.
    """

    symbol: str
    interval: pd.Timedelta
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def segments(self) -> list[slice]:
        """Row ranges without a missing bar inside, in order; together they cover the frame."""
        if len(self) == 0:
            return []
        breaks = (
            np.flatnonzero(np.diff(pd.DatetimeIndex(self.frame.index).asi8) != self.interval // pd.Timedelta(1, "ms"))
            + 1
        )
        edges = [0, *breaks.tolist(), len(self)]
        return [slice(a, b) for a, b in pairwise(edges)]


Market = dict[str, Candles]
"""Symbol → Candles; all symbols share one bar interval."""


def as_market(candles: Market | Candles) -> Market:
    """A market of one symbol, or the market given.

    Raises:
        DataError: neither of them, or a market without a symbol.
    """
    if isinstance(candles, Candles):
        return {candles.symbol: candles}
    if isinstance(candles, dict) and candles and all(isinstance(each, Candles) for each in candles.values()):
        return candles
    raise DataError(
        "candles",
        expected="Candles, or a market: a dict of them by symbol",
        received="an empty dict" if isinstance(candles, dict) and not candles else f"a {type(candles).__name__}",
        remedy="`deepstack.read_market([path])[0]`, which reads files into a market",
    )


def closes(market: Market) -> np.ndarray:
    """datetime64[ms], close of every bar of every symbol: the calendar that folds are shares of, the same for all."""
    return np.concatenate([index_ms(candles.frame.index) for candles in market.values()]).astype("datetime64[ms]")
