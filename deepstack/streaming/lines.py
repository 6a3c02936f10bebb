"""Lines of text, or rows as mappings → bars: JSON and CSV, headers as the file reader knows them."""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.columns import assign_columns
from deepstack.candles.times import parse_times
from deepstack.errors import DataError
from deepstack.streaming.bar import Bar, require_sound

_FEWEST_COLUMNS = 6
_MOST = 2**63
_DELIMITERS = ",;\t|"


class HeaderError(DataError):
    """A CSV header that lacks a column of candles: no line after it could be read."""


class BarReader:
    """Reads bars one at a time; the first CSV line decides whether there is a header.

    Args:
        columns: of the bars' values.
        step_ms: bar interval.
        symbol: of rows that name none; None refuses them.
    """

    def __init__(self, columns: tuple[str, ...], step_ms: int, symbol: str | None = None) -> None:
        self.columns, self.step_ms, self.symbol = columns, step_ms, symbol
        self._plans: dict[tuple[str, ...] | int, dict[str, int]] = {}
        self._header: list[str] | None = None
        self._delimiter = ""

    def line(self, text: str, where: str) -> Bar | None:
        """The bar of a line: a JSON object, a JSON list in Binance's kline order, or CSV; None for a header or a blank.

        Raises:
            HeaderError: a header without what candles have.
            DataError: no bar, and why.
        """
        text = text.strip().lstrip("\ufeff")
        if not text:
            return None
        if text[0] in "{[":
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    where, expected="JSON", received=f"{text[:40]!r}", remedy="one JSON object a line"
                ) from error
            return self.row(row, where) if isinstance(row, dict) else self._listed(None, row, where)
        delimiter = self._delimiter or max(_DELIMITERS, key=text.count)
        try:
            fields = next(csv.reader([text], delimiter=delimiter))
        except csv.Error as error:
            raise DataError(where, expected="CSV", received=f"{text[:40]!r}", remedy="one bar a line") from error
        if len(fields) < _FEWEST_COLUMNS:
            raise DataError(
                where,
                expected="a bar: time, open, high, low, close and volume at least",
                received=f"{text[:40]!r}",
                remedy="a JSON object, a JSON list or a CSV line a bar",
            )
        if not self._delimiter and not any(map(_is_number, fields)):
            try:
                self._plan(fields, where)
            except DataError as error:
                raise HeaderError(
                    error.where, expected=error.expected, received=error.received, remedy=error.remedy
                ) from error
            self._header, self._delimiter = fields, delimiter
        if fields == self._header:
            return None
        bar = self._listed(self._header, fields, where)
        self._delimiter = delimiter
        return bar

    def row(self, row: Mapping[str, Any], where: str) -> Bar:
        """The bar of one row by column name; names and times as in candle files.

        Raises:
            DataError: no bar, and why.
        """
        return self._listed([str(name) for name in row], list(row.values()), where)

    def _plan(self, names: list[str] | None, where: str, width: int = 0) -> dict[str, int]:
        key = tuple(names) if names is not None else width
        if key not in self._plans:
            if len(self._plans) > 64:
                self._plans.clear()
            self._plans[key] = assign_columns(names, len(names) if names is not None else width, where)
        return self._plans[key]

    def _listed(self, names: list[str] | None, values: Sequence[Any], where: str) -> Bar:
        if names is not None and len(values) != len(names):
            raise DataError(
                where,
                expected=f"{len(names)} values as in the header",
                received=str(len(values)),
                remedy="writing the whole line at once",
            )
        plan = self._plan(names, where, len(values))
        found = {column: values[position] for column, position in plan.items()}
        given = self.symbol if found.get("symbol") in (None, "") else found["symbol"]
        symbol = given.strip() if isinstance(given, str) else ""
        if not symbol:
            raise DataError(where, expected="a symbol", received="none", remedy="a column symbol, or --symbol NAME")
        numbers = tuple(_number(found.get(column), column, where) for column in self.columns)
        bar = Bar(symbol, self._close_ms(found, where), numbers)
        try:
            require_sound(bar, self.columns, self.step_ms)
        except DataError as error:
            place = f"{where}, {error.where}"
            raise DataError(place, expected=error.expected, received=error.received, remedy=error.remedy) from error
        return bar

    def _close_ms(self, found: Mapping[str, Any], where: str) -> int:
        column = "open_time" if "open_time" in found else "close_time"
        for name in (column, "time_of_day"):
            value = found.get(name, 0)
            if isinstance(value, bool) or not isinstance(value, int | float | str) or abs(_size(value)) >= _MOST:
                raise DataError(
                    f"{where}, {name}", expected="a time", received=f"{value!r}"[:40], remedy="correcting it"
                )
        frame = pd.DataFrame({name: [found[name]] for name in (column, "time_of_day") if name in found})
        time_ms = int(parse_times(frame, column, where, np.ones(1, np.int64))[0][0])
        if column == "open_time":
            return time_ms + self.step_ms
        # Exchanges write the last moment inside the bar as its close: 00:59:59.999 is 01:00.
        for resolution_ms in (1, 1000):
            if resolution_ms < self.step_ms and time_ms % self.step_ms == self.step_ms - resolution_ms:
                return time_ms + resolution_ms
        return time_ms


def _size(value: float | str) -> float:
    return 0 if isinstance(value, str) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(value: Any, column: str, where: str) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise DataError(f"{where}, {column}", expected="a number", received=f"{value!r}"[:40], remedy="correcting it")
