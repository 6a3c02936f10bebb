"""Tables a command leaves in a file: refused early when they cannot be written, and whole or not at all."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepstack.artifact.atomic import write_atomic
from deepstack.errors import DeepstackError

if TYPE_CHECKING:
    import pandas as pd

    from deepstack.features.table import FeatureTable

_ROWS_A_GROUP = 65_536


def check_output(path: Path, suffixes: tuple[str, ...], option: str = "--out") -> None:
    """Refuse, before any work is done, a file that could not be written at the end of it.

    Raises:
        DeepstackError: the suffix is none of `suffixes`, or the folder is missing or may not be written to.
    """
    if path.suffix not in suffixes:
        raise DeepstackError(
            f"{option} {path}",
            expected=f"a name ending in {' or '.join(suffixes)}",
            received=repr(path.suffix),
            remedy=f"{option} {path.stem or 'table'}{suffixes[0]}",
        )
    folder = path.absolute().parent
    if not folder.is_dir() or path.is_dir() or not os.access(folder, os.W_OK):
        raise DeepstackError(
            f"{option} {path}",
            expected="a file in an existing folder you may write to",
            received="a folder" if path.is_dir() else f"{folder}, {'read-only' if folder.is_dir() else 'missing'}",
            remedy="another place",
        )


def check_folder(path: Path, option: str = "--out") -> None:
    """Refuse, before any work is done, a folder that could not be made or written to at the end of it.

    Raises:
        DeepstackError: a file stands there or on the way, or the nearest folder around it may not be written to.
    """
    place = path.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise DeepstackError(
            f"{option} {path}",
            expected="a folder you may write to, or a new one in such a folder",
            received=f"{place}, {'a file' if place.is_file() else 'read-only'}",
            remedy="another place",
        )


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write CSV or Parquet by the suffix of `path`, without the index, in one step.

    Raises:
        ArtifactError: the disk is full or read-only; an older file at `path` then stays.
    """
    if path.suffix == ".parquet":
        write_atomic(path, lambda part: table.to_parquet(part, index=False))
    else:
        write_atomic(path, lambda part: table.to_csv(part, index=False))


def write_tables(tables: Iterable[tuple["pd.DataFrame", int]], path: Path) -> tuple[int, int]:
    """Write tables of the same columns one below the other, as `write_table` would write them joined.

    Args:
        tables: each with a number.
        path: .csv or .parquet.

    Returns:
        The rows written, and the sum of the numbers.

    Raises:
        ArtifactError: the disk is full or read-only; an older file at `path` then stays.
    """
    rows = total = 0

    def write(part: Path) -> None:
        nonlocal rows, total
        with _table_writer(part) as add:
            for table, number in tables:
                # An empty one may lack columns that the others have; it counts where there is no other.
                if len(table) or not rows:
                    add(table)
                rows, total = rows + len(table), total + number

    write_atomic(path, write)
    return rows, total


@contextmanager
def _table_writer(path: Path) -> Iterator[Callable[["pd.DataFrame"], None]]:
    """A function that appends a table to a new file; an empty one is replaced by the first that is not."""
    import pyarrow as pa
    from pyarrow import parquet

    begun: list[Any] = []

    def add_csv(table: "pd.DataFrame") -> None:
        table.to_csv(path, index=False, header=not begun, mode="a" if begun else "w")
        if len(table):
            begun.append(None)

    def add_parquet(table: "pd.DataFrame") -> None:
        if not len(table):
            table.to_parquet(path, index=False)
            return
        if not begun:
            begun.append(parquet.ParquetWriter(path, pa.Schema.from_pandas(table, preserve_index=False)))
        begun[0].write_table(pa.Table.from_pandas(table, begun[0].schema, preserve_index=False))

    try:
        yield add_parquet if path.suffix == ".parquet" else add_csv
    finally:
        for writer in filter(None, begun):
            writer.close()


def write_features(table: "FeatureTable", path: Path) -> None:
    """Write `close_time`, `symbol` and the float32 features as Parquet, one row group at a time to spare memory.

    Raises:
        ArtifactError: the disk is full or read-only; an older file at `path` then stays.
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [("close_time", pa.timestamp("ms", "UTC")), ("symbol", pa.dictionary(pa.int16(), pa.string()))]
        + [(name, pa.float32()) for name in table.names]
    )

    def write(part: Path) -> None:
        with parquet.ParquetWriter(part, schema) as writer:
            for start in range(0, len(table), _ROWS_A_GROUP):
                rows = slice(start, start + _ROWS_A_GROUP)
                symbols = pa.DictionaryArray.from_arrays(pa.array(table.symbol[rows]), list(table.symbols))
                times = pa.array(table.times[rows].astype("datetime64[ms]"), pa.timestamp("ms", "UTC"))
                columns = np.ascontiguousarray(table.values[rows].T)
                writer.write_table(pa.table([times, symbols, *map(pa.array, columns)], schema=schema))

    write_atomic(path, write)
