"""Bytes of one table → one piece of candles a symbol, times and numbers parsed, nothing judged yet."""

import json
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather, parquet

from deepstack.candles.columns import assign_columns
from deepstack.candles.delimited import read_delimited
from deepstack.candles.market import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from deepstack.candles.names import symbol_from_names
from deepstack.candles.sources import Member
from deepstack.candles.times import parse_times
from deepstack.errors import DataError


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
        frame, first_row, notes = read_delimited(member.data, member.label)
    else:
        frame, first_row, notes = *_read_typed(member), []
    if frame.empty:
        raise DataError(member.label, expected="rows of candles", received="none", remedy="downloading it again")
    time_column = "open_time" if "open_time" in frame else "close_time"
    time_ms, time_notes = parse_times(frame, time_column, member.label, first_row)
    columns, absent = _present_columns(frame)
    moment = "opening" if time_column == "open_time" else "closing"
    notes += [
        f"times are taken as the bars' {moment}",
        *time_notes,
        *(f"the column {name} is empty and left out" for name in absent),
    ]
    values = np.empty((len(frame), len(columns)))
    for i, name in enumerate(columns):
        values[:, i] = _to_float(frame[name], name, member.label, first_row)
    row = np.arange(first_row, first_row + len(frame), dtype=np.int64)
    pieces = [
        Piece(symbol, member.label, time_ms[index], time_column == "open_time", columns, values[index], row[index])
        for symbol, index in _rows_by_symbol(frame, member, first_row)
    ]
    return pieces, notes


def _read_typed(member: Member) -> tuple[pd.DataFrame, int]:
    """Tables that carry types: Parquet, feather and JSON."""
    readers = {"parquet": _read_parquet, "feather": _read_feather, "json": _read_json}
    try:
        names, frame = readers[member.table_format](member)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            member.label,
            expected=f"an intact {member.table_format} file",
            received=f"a damaged or unreadable one ({str(error).splitlines()[0]})",
            remedy="downloading or writing it again",
        ) from error
    plan = assign_columns(names, frame.shape[1], member.label)
    return pd.DataFrame({name: frame.iloc[:, position] for name, position in plan.items()}), 1


def _read_parquet(member: Member) -> tuple[list[str], pd.DataFrame]:
    return _named(parquet.ParquetFile(BytesIO(member.data)).read())


def _read_feather(member: Member) -> tuple[list[str], pd.DataFrame]:
    return _named(feather.read_table(BytesIO(member.data)))


def _named(table: pa.Table) -> tuple[list[str], pd.DataFrame]:
    """Without pandas' metadata a stored index is a column like any other, which is what is wanted here."""
    return table.column_names, table.to_pandas(ignore_metadata=True)


def _read_json(member: Member) -> tuple[list[str] | None, pd.DataFrame]:
    content = json.loads(member.data)
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


def _present_columns(frame: pd.DataFrame) -> tuple[tuple[str, ...], list[str]]:
    offered = [name for name in OPTIONAL_COLUMNS if name in frame]
    absent = [name for name in offered if frame[name].isna().all()]
    return (*REQUIRED_COLUMNS, *(name for name in offered if name not in absent)), absent


def _to_float(column: pd.Series, name: str, where: str, first_row: int) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return numbers
    text = column.astype("str").str.strip().str.lower()
    bad = np.flatnonzero(np.isnan(numbers) & column.notna().to_numpy() & ~text.isin(["", "nan", "none", "null"]))
    if len(bad):
        raise DataError(
            f"{where}, row {first_row + bad[0]}, column {name}",
            expected="a number",
            received=repr(str(column.iloc[bad[0]]))[:60] + (f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""),
            remedy="correcting or deleting that row",
        )
    return numbers


def _rows_by_symbol(frame: pd.DataFrame, member: Member, first_row: int) -> list[tuple[str, np.ndarray]]:
    if "symbol" not in frame:
        return [(symbol_from_names(member.names), np.arange(len(frame)))]
    codes, symbols = pd.factorize(frame["symbol"])
    if (codes < 0).any():
        raise DataError(
            f"{member.label}, row {first_row + int(np.argmax(codes < 0))}",
            expected="a symbol",
            received="an empty one",
            remedy="correcting or deleting that row",
        )
    by_symbol = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    return [(str(symbol).strip(), index) for symbol, index in zip(symbols, by_symbol, strict=True)]
