"""CSV bytes → the columns that matter, with or without a header, whatever the delimiter."""

import re
from io import BytesIO

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from deepstack.candles.columns import assign_columns
from deepstack.errors import DataError

_NULLS = ["", "NaN", "nan", "NAN", "-nan", "null", "NULL", "None", "none", "NA", "N/A", "n/a", "#N/A"]
_TEXT = ("open_time", "close_time", "time_of_day", "symbol")


def read_delimited(data: bytes, where: str) -> tuple[pd.DataFrame, int, list[str]]:
    """Candle columns of a CSV.

    Returns:
        The frame (prices and volumes float64, or text where one is not a number; times int64, float64 or text), the
        line number of its first row, and notes on what was found.

    Raises:
        DataError: not UTF-8, no rows, rows of unequal width, or columns that are not those of candles.
    """
    notes: list[str] = []
    lines = _first_lines(data, where)
    skipped_lines = 0
    delimiter = _delimiter(lines[-1])
    if len(lines) == 2 and delimiter not in lines[0]:
        notes.append(f"a first line without columns was passed over: {lines[0][:60]}")
        skipped_lines, lines = 1, lines[1:]
    fields = [field.strip().strip("\"'") for field in lines[0].split(delimiter)]
    header = None if _is_data(fields) else fields
    plan = assign_columns(header, len(fields), where)
    skipped_lines += header is not None
    table = _parse(data, where, delimiter, skipped_lines, len(fields), plan)
    if table.num_rows == 0:
        raise DataError(where, expected="rows of candles", received="a header alone", remedy="downloading it again")
    keep_text = "time_of_day" in plan
    frame = {
        name: (table[name] if keep_text else _numbers_if_possible(table[name])).to_pandas()
        if name in ("open_time", "close_time")
        else table[name].to_pandas()
        for name in plan
    }
    return pd.DataFrame(frame), skipped_lines + 1, notes


def _first_lines(data: bytes, where: str) -> list[str]:
    """The first two lines that are not blank."""
    head = data[:65536]
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) == len(data) else "ignore")
    except UnicodeDecodeError as error:
        raise DataError(
            where, expected="UTF-8 text", received=f"other bytes ({error.reason})", remedy="saving it as UTF-8"
        ) from error
    lines = [line for line in text.splitlines()[:20] if line.strip()][:2]
    if not lines or "\x00" in lines[0]:
        received = "blank lines" if not lines else "binary or UTF-16 data"
        raise DataError(where, expected="UTF-8 text with candles", received=received, remedy="saving it as UTF-8 CSV")
    return lines


def _delimiter(line: str) -> str:
    return max(",;\t|", key=line.count)


def _is_data(fields: list[str]) -> bool:
    numbers = 0
    for field in fields:
        try:
            float(field)
            numbers += 1
        except ValueError:
            pass  # a date, a symbol or a header
    return 2 * numbers > len(fields)


def _parse(data: bytes, where: str, delimiter: str, skip: int, width: int, plan: dict[str, int]) -> pa.Table:
    names = [f"unused_{i}" for i in range(width)]
    for name, position in plan.items():
        names[position] = name
    read = csv.ReadOptions(column_names=names, skip_rows=skip)
    parse = csv.ParseOptions(delimiter=delimiter)
    types = {name: pa.string() if name in _TEXT else pa.float64() for name in plan}
    options = {"include_columns": list(plan), "null_values": _NULLS, "strings_can_be_null": True}
    try:
        return csv.read_csv(BytesIO(data), read, parse, csv.ConvertOptions(column_types=types, **options))
    except pa.ArrowInvalid:
        # Slower, but keeps the text that is no number for the message, and counts rows.
        read.use_threads = False
        types = dict.fromkeys(plan, pa.string())
        try:
            return csv.read_csv(BytesIO(data), read, parse, csv.ConvertOptions(column_types=types, **options))
        except pa.ArrowInvalid as error:
            raise _malformed(where, str(error), width) from error


def _malformed(where: str, message: str, width: int) -> DataError:
    if "Empty CSV" in message:
        return DataError(where, expected="rows of candles", received="a header alone", remedy="downloading it again")
    found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message)
    if found:
        row, _, received = found.groups()
        return DataError(
            f"{where}, row {row}",
            expected=f"{width} columns as in the first row",
            received=received,
            remedy="correcting or deleting that row",
        )
    return DataError(where, expected="a CSV", received=message.splitlines()[0], remedy="saving it again as UTF-8 CSV")


def _numbers_if_possible(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for kind in (pa.int64(), pa.float64()):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue  # dates, or numbers of the next kind
    return column
