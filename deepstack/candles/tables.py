"""Files and folders → the rows of each symbol, before any of it is judged."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from deepstack.candles.columns import NotCandlesError
from deepstack.candles.interval import interval_text
from deepstack.candles.names import choose_symbols, first_spellings
from deepstack.candles.read import Piece, read_pieces
from deepstack.candles.rows import Rows, combine_pieces
from deepstack.candles.sources import Skipped, Source, find_sources, open_members
from deepstack.errors import DataError

Progress = Callable[[int, int, str], None]
"""Called as progress(files done, files in all, name of the file in hand)."""


@dataclass(frozen=True, eq=False)
class Tables:
    """All that was read.

    Attributes:
        files: tables that hold the rows, `file.zip:member.csv` for those inside a zip.
        skipped: files that were found and not read.
        rows: one entry a symbol, in name order; all of one bar interval.
        notes: how columns and times were understood.
    """

    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    rows: tuple[Rows, ...]
    notes: tuple[str, ...]


def read_tables(paths: Sequence[str | Path], symbols: Sequence[str], progress: Progress | None) -> Tables:
    """Read everything behind `paths`, keep `symbols` (none means all), and put together what belongs to one symbol.

    Raises:
        DataError: a file that cannot be read or understood, no candles at all, a symbol that is not there, or bars of
            different intervals.
    """
    sources, skipped = find_sources(paths)
    notes: Counter[str] = Counter()
    pieces: list[Piece] = []
    for done, source in enumerate(sources):
        if progress is not None:
            progress(done, len(sources), source.path.name)
        found, found_notes = _read_source(source, skipped)
        pieces += found
        notes.update(found_notes)
    if progress is not None:
        progress(len(sources), len(sources), "")
    if not pieces:
        raise DataError(
            str(paths[0]), expected="candles", received="no file that holds any", remedy="another file or folder"
        )
    wanted = choose_symbols((piece.symbol for piece in pieces), symbols, "the files")
    chosen = [piece for piece in pieces if piece.symbol in wanted]
    names = first_spellings(piece.symbol for piece in chosen)
    notes.update(f"{name} is also written {spelling}" for spelling, name in names.items() if spelling != name)
    by_symbol: dict[str, list[Piece]] = {}
    for piece in chosen:
        by_symbol.setdefault(names[piece.symbol], []).append(replace(piece, symbol=names[piece.symbol]))
    rows = []
    for symbol in sorted(by_symbol):
        symbol_rows, symbol_notes = combine_pieces(by_symbol[symbol])
        rows.append(symbol_rows)
        notes.update(symbol_notes)
    _require_one_interval(rows)
    return Tables(
        files=tuple(dict.fromkeys(label for entry in rows for label in entry.labels)),
        skipped=tuple(skipped),
        rows=tuple(rows),
        notes=tuple(f"{note} ({count:,} files)" if count > 1 else note for note, count in notes.items()),
    )


def _read_source(source: Source, skipped: list[Skipped]) -> tuple[list[Piece], list[str]]:
    pieces: list[Piece] = []
    notes: list[str] = []
    for member in open_members(source, skipped):
        try:
            found, found_notes = read_pieces(member)
        except NotCandlesError as error:
            if not source.from_folder:
                raise
            skipped.append(Skipped(member.label, f"no candles: {error.received}"))
            continue
        pieces += found
        notes += found_notes
    return pieces, notes


def _require_one_interval(rows: list[Rows]) -> None:
    for other in rows[1:]:
        if other.step_ms != rows[0].step_ms:
            first, second = (interval_text(pd.Timedelta(entry.step_ms, "ms")) for entry in (rows[0], other))
            raise DataError(
                f"{other.labels[0]} ({other.symbol})",
                expected=f"bars of {first}, as {rows[0].symbol} has in {rows[0].labels[0]}",
                received=f"bars of {second}",
                remedy="giving only the files of one interval",
            )
