"""Bytes of one table → one piece of candles a symbol, times and numbers parsed, nothing judged yet."""

import json
from dataclasses import dataclass
from io import BytesIO
from numbers import Number

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import ipc, parquet

from deepstack.candles.columns import assign_columns
from deepstack.candles.delimited import read_delimited
from deepstack.candles.market import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from deepstack.candles.names import first_spellings, symbol_from_names
from deepstack.candles.sources import Member
from deepstack.candles.times import parse_times
from deepstack.errors import DataError

_EMPTY_TEXTS = ("", "nan", "none", "null")
_INT64_DIGITS = 19


@dataclass(frozen=True, eq=False)
class Piece:
    """The rows one table holds of one symbol, in the order they stand there.

    Attributes:
        symbol: name of the instrument.
        label: what messages call the table.
        time_ms: int64 [rows], milliseconds UTC.
        is_open_time: whether `time_ms` is the open of each bar or its close.
        columns: names of `values`: `open high low close volume` and any optional ones.
        values: float64 [rows, columns], NaN where the table had nothing.
        row: int64 [rows], line or row number in the table, from 1.
    """

    symbol: str
    label: str
    time_ms: np.ndarray
    is_open_time: bool
    columns: tuple[str, ...]
    values: np.ndarray
    row: np.ndarray


def read_pieces(member: Member) -> tuple[list[Piece], list[str]]:
    """The candles of one table, split by symbol, and notes on how its columns were understood.

    Raises:
        NotCandlesError: a readable table of something else.
        DataError: unreadable, no rows, a missing column, or a value that is no number or time, with its row.
    """
    if member.table_format == "csv":
        frame, row, notes = read_delimited(member.data, member.label)
    else:
        frame, notes = _read_typed(member), []
        row = np.arange(1, len(frame) + 1, dtype=np.int64)
    if frame.empty:
        raise DataError(member.label, expected="rows of candles", received="none", remedy="downloading it again")
    time_column = "open_time" if "open_time" in frame else "close_time"
    time_ms, time_notes = parse_times(frame, time_column, member.label, row)
    columns, absent = _present_columns(frame)
    moment = "opening" if time_column == "open_time" else "closing"
    notes += [
        f"times are taken as the bars' {moment}",
        *time_notes,
        *(f"the column {name} is empty and left out" for name in absent),
    ]
    values = np.empty((len(frame), len(columns)))
    for i, name in enumerate(columns):
        values[:, i] = _to_float(frame[name], name, member.label, row)
    by_symbol, symbol_notes = _rows_by_symbol(frame, member, row)
    pieces = [
        Piece(symbol, member.label, time_ms[index], time_column == "open_time", columns, values[index], row[index])
        for symbol, index in by_symbol
    ]
    return pieces, notes + symbol_notes


def _read_typed(member: Member) -> pd.DataFrame:
    """Tables that carry types: Parquet, feather and JSON."""
    readers = {"parquet": _read_parquet, "feather": _read_feather, "json": _read_json}
    try:
        names, frame = readers[member.table_format](member)
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        raise DataError(
            member.label,
            expected=f"an intact {member.table_format} file",
            received=f"a damaged or unreadable one ({str(error).splitlines()[0]})",
            remedy="downloading or writing it again",
        ) from error
    plan = assign_columns(names, frame.shape[1], member.label)
    return pd.DataFrame({name: frame.iloc[:, position] for name, position in plan.items()})


def _read_parquet(member: Member) -> tuple[list[str], pd.DataFrame]:
    return _named(parquet.ParquetFile(BytesIO(member.data)).read())


def _read_feather(member: Member) -> tuple[list[str], pd.DataFrame]:
    """Version 2 only, an Arrow file: the reader of the older version trusts what it reads, and damage can crash it."""
    if member.data.startswith(b"FEA1"):
        raise DataError(
            member.label,
            expected="a Feather file of version 2",
            received="one of version 1",
            remedy="writing it again as Feather version 2 or as Parquet",
        )
    return _named(ipc.open_file(BytesIO(member.data)).read_all())


def _named(table: pa.Table) -> tuple[list[str], pd.DataFrame]:
    """Without pandas' metadata a stored index is a column like any other, which is what is wanted here."""
    table.validate(full=True)  # damage that the readers pass on is undefined behaviour later
    return table.column_names, table.to_pandas(ignore_metadata=True)


def _read_json(member: Member) -> tuple[list[str] | None, pd.DataFrame]:
    content = json.loads(member.data, parse_int=_bounded_int)
    if not isinstance(content, list) or not content:
        raise DataError(
            member.label,
            expected="a JSON list of candles [[ms, open, high, low, close, volume], …]",
            received="an empty list" if content == [] else f"a JSON {type(content).__name__}",
            remedy="converting it to that form or to CSV",
        )
    if all(isinstance(row, dict) for row in content):
        frame = pd.DataFrame.from_records(content)
        return [str(name) for name in frame.columns], frame
    width = len(content[0]) if isinstance(content[0], list) else -1
    for i, row in enumerate(content, start=1):
        if not isinstance(row, list) or len(row) != width:
            raise DataError(
                f"{member.label}, row {i}",
                expected=f"a list of {width} values as in the first row" if width > 0 else "a list of values",
                received=f"{len(row)} values" if isinstance(row, list) else f"a {type(row).__name__}",
                remedy="correcting or deleting that row",
            )
    return None, pd.DataFrame(content)


def _bounded_int(digits: str) -> int | float:
    """JSON numbers have no bound, columns have: beyond int64 they are floats, and at last infinite."""
    return int(digits) if len(digits) <= _INT64_DIGITS else float(digits)


def _present_columns(frame: pd.DataFrame) -> tuple[tuple[str, ...], list[str]]:
    offered = [name for name in OPTIONAL_COLUMNS if name in frame]
    absent = [name for name in offered if frame[name].isna().all()]
    return (*REQUIRED_COLUMNS, *(name for name in offered if name not in absent)), absent


def _to_float(column: pd.Series, name: str, where: str, row: np.ndarray) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    values = column.astype(object)
    unread = np.isnan(numbers) & ~column.astype("str").str.strip().str.lower().isin(_EMPTY_TEXTS).to_numpy()
    types = values.map(type)
    # Python counts with booleans, a market does not.
    good_types = [kind for kind in types.unique() if issubclass(kind, str | Number) and kind is not bool]
    other_type = ~types.isin(good_types).to_numpy()
    bad = np.flatnonzero((unread | other_type) & column.notna().to_numpy())
    if len(bad):
        raise _no_number(f"{where}, row {row[bad[0]]}, column {name}", values.iloc[bad[0]], len(bad), len(column))
    return numbers


def _no_number(where: str, value: object, count: int, rows: int) -> DataError:
    shown = repr(value) if isinstance(value, str) else f"{type(value).__name__} {value!r}"
    shown = " ".join(shown.split())[:60]
    if isinstance(value, str) and "," in value:
        remedy = "writing numbers without decimal commas or thousands marks, such as 1000.5"
    elif count == rows:
        remedy = "writing numbers into that column"
    else:
        remedy = "correcting or deleting that row"
    received = shown + (f" and {count - 1:,} more" if count > 1 else "")
    return DataError(where, expected="a number", received=received, remedy=remedy)


def _rows_by_symbol(
    frame: pd.DataFrame, member: Member, row: np.ndarray
) -> tuple[list[tuple[str, np.ndarray]], list[str]]:
    """Each symbol with the positions of its rows, and notes on symbols that are spelled in several ways."""
    if "symbol" not in frame:
        return [(symbol_from_names(member.names), np.arange(len(frame)))], []
    try:
        codes, values = pd.factorize(frame["symbol"])
    except TypeError as error:  # lists and the like
        raise DataError(
            f"{member.label}, column symbol",
            expected="text",
            received=type(frame["symbol"].iloc[0]).__name__,
            remedy="writing one symbol a row",
        ) from error
    spellings = [str(value).strip() for value in values]
    empty = np.isin(codes, [-1, *(code for code, spelling in enumerate(spellings) if not spelling)])
    if empty.any():
        raise DataError(
            f"{member.label}, row {row[np.argmax(empty)]}",
            expected="a symbol",
            received="an empty one",
            remedy="correcting or deleting that row",
        )
    names = first_spellings(spellings)
    codes_by_name, symbols = pd.factorize(np.array([names[spelling] for spelling in spellings], dtype=object))
    codes = codes_by_name[codes]
    by_symbol = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    notes = [f"{name} is also written {spelling}" for spelling, name in names.items() if spelling != name]
    return list(zip(symbols, by_symbol, strict=True)), notes
