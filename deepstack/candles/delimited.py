"""CSV bytes → the columns that matter, with or without a header, whatever the delimiter."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from deepstack.candles.columns import assign_columns
from deepstack.errors import DataError

_NULLS = ["", "NaN", "nan", "NAN", "-nan", "null", "NULL", "None", "none", "NA", "N/A", "n/a", "#N/A"]
_TEXT = ("open_time", "close_time", "time_of_day", "symbol")
_HEAD_BYTES = 65536
_FEWEST_COLUMNS = 6  # a time, four prices and a volume


class _Line(NamedTuple):
    """A line's number from 1, its first byte, the first byte after it, and its text."""

    number: int
    start: int
    stop: int
    text: str


def read_delimited(data: bytes, where: str) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Candle columns of a CSV.

    Returns:
        The frame (prices and volumes float64, or text where one is not a number; times int64, float64 or text), the
        line number of each row (int64, blank lines counted), and notes on what was found.

    Raises:
        DataError: not UTF-8, no rows, rows of unequal width, or columns that are not those of candles.
    """
    notes: list[str] = []
    lines = _first_lines(data, where)
    delimiter = _delimiter(lines[-1].text)
    if len(lines) == 2 and delimiter not in lines[0].text:
        notes.append(f"a first line without columns was passed over: {lines[0].text[:60]}")
        lines = lines[1:]
    fields = [field.strip().strip("\"'") for field in lines[0].text.split(delimiter)]
    header = None if _is_data(fields) else fields
    plan = assign_columns(header, len(fields), where)
    first_line, start = (lines[0].number, lines[0].start) if header is None else (lines[0].number + 1, lines[0].stop)
    if start >= len(data.rstrip()):
        raise DataError(where, expected="rows of candles", received="a header alone", remedy="downloading it again")
    try:
        table = _parse(data, start, delimiter, len(fields), plan)
    except pa.ArrowInvalid as error:
        raise _malformed(where, str(error), len(fields), data, start, first_line) from error
    keep_text = "time_of_day" in plan
    frame = {
        name: (table[name] if keep_text else _numbers_if_possible(table[name])).to_pandas()
        if name in ("open_time", "close_time")
        else table[name].to_pandas()
        for name in plan
    }
    return pd.DataFrame(frame), _line_numbers(data, start, first_line, table.num_rows), notes


def _first_lines(data: bytes, where: str) -> list[_Line]:
    """The first two lines that are not blank."""
    head = data[:_HEAD_BYTES]
    try:
        head.decode("utf-8-sig", errors="strict" if len(head) == len(data) else "ignore")
    except UnicodeDecodeError as error:
        raise DataError(
            where, expected="UTF-8 text", received=f"other bytes ({error.reason})", remedy="saving it as UTF-8"
        ) from error
    lines: list[_Line] = []
    start = 0
    for number, raw in enumerate(head.splitlines(keepends=True), start=1):
        text = raw.decode("utf-8-sig", errors="ignore").strip("\r\n")
        if text.strip():
            lines.append(_Line(number, start, start + len(raw), text))
        if len(lines) == 2:
            break
        start += len(raw)
    if not lines or "\x00" in lines[0].text:
        received = "blank lines" if not lines else "binary or UTF-16 data"
        raise DataError(where, expected="UTF-8 text with candles", received=received, remedy="saving it as UTF-8 CSV")
    return lines


def _delimiter(line: str) -> str:
    """The comma comes last: beside another delimiter it is a decimal comma."""
    enough = [delimiter for delimiter in ";\t|" if line.count(delimiter) >= _FEWEST_COLUMNS - 1]
    return enough[0] if enough else max(",;\t|", key=line.count)


def _is_data(fields: list[str]) -> bool:
    numbers = 0
    for field in fields:
        try:
            float(field.replace(",", "."))  # a decimal comma: refused later, with its row
            numbers += 1
        except ValueError:
            pass  # a date, a symbol or a header
    return 2 * numbers > len(fields)


def _parse(data: bytes, start: int, delimiter: str, width: int, plan: dict[str, int]) -> pa.Table:
    names = [f"unused_{i}" for i in range(width)]
    for name, position in plan.items():
        names[position] = name
    body = pa.py_buffer(data).slice(start)
    read = csv.ReadOptions(column_names=names)
    parse = csv.ParseOptions(delimiter=delimiter)
    types = {name: pa.string() if name in _TEXT else pa.float64() for name in plan}
    options = {"include_columns": list(plan), "null_values": _NULLS, "strings_can_be_null": True}
    try:
        return csv.read_csv(pa.BufferReader(body), read, parse, csv.ConvertOptions(column_types=types, **options))
    except pa.ArrowInvalid:
        # Slower, but keeps the text that is no number for the message, and counts rows.
        read.use_threads = False
        types = dict.fromkeys(plan, pa.string())
        return csv.read_csv(pa.BufferReader(body), read, parse, csv.ConvertOptions(column_types=types, **options))


def _line_numbers(data: bytes, start: int, first_line: int, count: int) -> np.ndarray:
    """int64 [count]: numbers of the lines from byte `start` (line `first_line`) on that are not blank."""
    stop = len(data.rstrip(b"\r\n"))
    if all(data.find(pair, max(start - 1, 0), stop) < 0 for pair in (b"\n\n", b"\r\r", b"\n\r")):
        return np.arange(first_line, first_line + count, dtype=np.int64)
    filled = [number for number, line in enumerate(data[start:stop].splitlines(), start=first_line) if line]
    return np.array(filled[:count], dtype=np.int64)


def _malformed(where: str, message: str, width: int, data: bytes, start: int, first_line: int) -> DataError:
    found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message)
    if found:
        row, _, received = found.groups()
        return DataError(
            f"{where}, row {_line_numbers(data, start, first_line, int(row))[-1]}",
            expected=f"{width} columns as in the first row",
            received=received,
            remedy="correcting or deleting that row",
        )
    if "UTF8" in message:
        return DataError(where, expected="UTF-8 text", received="other bytes", remedy="saving it as UTF-8")
    return DataError(where, expected="a CSV", received=message.splitlines()[0], remedy="saving it again as UTF-8 CSV")


def _numbers_if_possible(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for kind in (pa.int64(), pa.float64()):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue  # dates, or numbers of the next kind
    return column
