"""Which column of a table is what: the headers that exchanges, bots and data vendors use, and tables without one."""

import re
from collections.abc import Sequence

from deepstack.candles.market import PRICE_COLUMNS, REQUIRED_COLUMNS
from deepstack.errors import DataError

KLINE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
"""A headerless table: Binance's kline columns, of which the first six are also what freqtrade and LEAN write."""

HEADERLESS_WIDTHS = (6, 12)

# Spellings with case and punctuation removed; where a table has several, the first listed wins.
_ALIASES: dict[str, tuple[str, ...]] = {
    "open_time": (
        *("opentime", "opentimestamp", "starttime", "timestamp", "ts", "unixtimestamp", "unixtime", "unix", "epoch"),
        *("datetime", "gmttime", "time", "date", "start", "t"),
    ),
    "close_time": ("closetime", "closetimestamp", "endtime"),
    "symbol": ("symbol", "pair", "ticker", "instrument", "coin", "tic"),
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice"),
    "low": ("low", "l", "lowprice"),
    "close": ("close", "c", "closeprice"),
    "volume": ("volume", "basevolume", "volumebase", "vol", "v", "tickvolume", "tickvol"),
    "trades": (
        *("trades", "count", "numberoftrades", "numtrades", "ntrades", "tradecount", "tradescount", "nooftrades"),
        *("transactions", "n"),
    ),
    "taker_buy_volume": (
        *("takerbuyvolume", "takerbuybasevolume", "takerbuybaseassetvolume", "takerbuybase", "takerbuybasevol"),
        *("takerbuyvol", "takerbasevolume", "tbbase", "tbbasevolume", "tbbaseav", "tbbav"),
    ),
}
_QUOTE_CURRENCIES = ("usd", "usdt", "usdc", "busd", "fdusd", "tusd", "dai", "eur", "gbp", "jpy", "krw", "try")
_NOT_BASE_VOLUME = (*_QUOTE_CURRENCIES, "quote", "currency", "notional", "ma", "sma")

_UNNAMED_INDEX = ("", "unnamed0", "index", "indexlevel0")  # as pandas writes an index without a name


class NotCandlesError(DataError):
    """A readable table that holds something other than candles."""


def assign_columns(names: Sequence[str] | None, width: int, where: str) -> dict[str, int]:
    """Position of each known column.

    Args:
        names: the header, or None for a table without one.
        width: number of columns.
        where: what messages call the table.

    Returns:
        `open high low close volume`, one of `open_time` or `close_time`, and any of `time_of_day` (a date beside it
        in `open_time`), `symbol`, `trades`, `taker_buy_volume`, each with its position.

    Raises:
        NotCandlesError: not one price column, or an unknown number of columns without a header.
        DataError: a column missing or named twice.
    """
    if names is None:
        if width not in HEADERLESS_WIDTHS:
            raise NotCandlesError(
                where,
                expected="a header, or Binance's 12 or the usual 6 columns without one",
                received=f"{width} columns without a header",
                remedy="adding the header line time,open,high,low,close,volume",
            )
        names = KLINE_COLUMNS[:width]
    keys = [_squeeze(name) for name in names]
    found = {column: _position(keys, aliases, names, where) for column, aliases in _ALIASES.items()}
    plan = {column: position for column, position in found.items() if position is not None}
    if "volume" not in plan:
        plan |= _currency_volume(keys)
    if "open_time" not in plan and "close_time" not in plan:
        unnamed = [i for i, key in enumerate(keys) if key in _UNNAMED_INDEX]
        if unnamed:
            plan["open_time"] = unnamed[0]
    if "open_time" in plan:
        plan.pop("close_time", None)
        plan |= _date_beside_time(keys, plan["open_time"])
    _require(plan, names, where)
    return plan


def _squeeze(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _position(keys: list[str], aliases: tuple[str, ...], names: Sequence[str], where: str) -> int | None:
    for alias in aliases:
        positions = [i for i, key in enumerate(keys) if key == alias]
        if len(positions) > 1:
            raise DataError(
                where,
                expected=f"one column {alias}",
                received=" and ".join(repr(names[i]) for i in positions),
                remedy="renaming one of them",
            )
        if positions:
            return positions[0]
    return None


def _currency_volume(keys: list[str]) -> dict[str, int]:
    """`Volume BTC` beside `Volume USDT`: the base currency's is the volume."""
    named = [(i, key.removeprefix("volume")) for i, key in enumerate(keys) if key.startswith("volume")]
    for i, currency in named:
        if currency not in _NOT_BASE_VOLUME:
            return {"volume": i}
    return {}


def _date_beside_time(keys: list[str], time_position: int) -> dict[str, int]:
    """A `date` and a `time` column may be the two halves of one moment; the values decide, later."""
    if keys[time_position] == "time" and "date" in keys:
        return {"open_time": keys.index("date"), "time_of_day": time_position}
    return {}


def _require(plan: dict[str, int], names: Sequence[str], where: str) -> None:
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "") or "no columns"
    if not any(column in plan for column in PRICE_COLUMNS):
        raise NotCandlesError(
            where, expected="columns open, high, low, close", received=shown, remedy="a file of candles"
        )
    missing = [column for column in REQUIRED_COLUMNS if column not in plan]
    if "open_time" not in plan and "close_time" not in plan:
        missing.insert(0, "open_time")
    if missing:
        raise DataError(
            where,
            expected=f"a column for each of {', '.join(missing)}",
            received=f"the columns {shown}",
            remedy="renaming or adding them",
        )
