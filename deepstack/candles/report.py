"""What reading found and did, for people and for programs."""

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pandas as pd

from deepstack.candles.check import DEFECTS, FACTS, Problem
from deepstack.candles.interval import interval_text
from deepstack.candles.repair import Repair
from deepstack.candles.sources import Skipped

_SHOWN = 10


@dataclass(frozen=True)
class Coverage:
    """What there is of one symbol: bars and the close times of the first and last, UTC."""

    symbol: str
    bars: int
    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True)
class ReadReport:
    """The outcome of reading candle files.

    Attributes:
        files: tables that were read, `file.zip:member.csv` for those inside a zip.
        skipped: files that were found and not read, with the reason.
        coverage: one entry a symbol, in name order.
        interval: bar interval of the outcome.
        problems: defects and facts by symbol, as found in the files (before repair and resampling).
        repairs: everything that was done about them; empty after a strict reading.
        notes: how columns and times were understood, what was left out, what resampling made.
    """

    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    coverage: tuple[Coverage, ...]
    interval: pd.Timedelta
    problems: tuple[Problem, ...]
    repairs: tuple[Repair, ...]
    notes: tuple[str, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """In name order."""
        return tuple(entry.symbol for entry in self.coverage)

    @property
    def bars(self) -> int:
        """Over all symbols."""
        return sum(entry.bars for entry in self.coverage)

    @property
    def first(self) -> pd.Timestamp:
        """Earliest close time, UTC."""
        return min(entry.first for entry in self.coverage)

    @property
    def last(self) -> pd.Timestamp:
        """Latest close time, UTC."""
        return max(entry.last for entry in self.coverage)

    def has_defects(self) -> bool:
        """Whether a strict reading refuses these files."""
        return any(problem.is_defect() for problem in self.problems)

    def lines(self) -> list[str]:
        """Plain text, one finding a line."""
        lines = [
            f"{_plural(len(self.files), 'file')}, {_plural(len(self.symbols), 'symbol')}, {self.bars:,} bars of "
            f"{interval_text(self.interval)}, {_minute(self.first)} to {_minute(self.last)} UTC (closing times)"
        ]
        lines += [
            f"  {entry.symbol}: {entry.bars:,} bars, {_minute(entry.first)} to {_minute(entry.last)}"
            for entry in self.coverage
        ]
        lines.append("problems:" if self.problems else "problems: none")
        lines += [f"  {_problem_line(problem)}" for problem in self.problems]
        if self.repairs:
            lines.append("repairs:")
            lines += [f"  {repair.symbol}: {repair.action}: {repair.count:,}" for repair in self.repairs]
        if self.skipped:
            lines.append(f"not read: {_plural(len(self.skipped), 'file')}")
            lines += [f"  {entry.path}: {entry.reason}" for entry in self.skipped[:_SHOWN]]
            if len(self.skipped) > _SHOWN:
                reasons = Counter(entry.reason for entry in self.skipped[_SHOWN:])
                lines += [f"  and {count:,} more: {reason}" for reason, count in reasons.items()]
        return lines + [f"note: {note}" for note in self.notes]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: numbers, text and lists only."""
        return {
            "files": list(self.files),
            "skipped": [{"path": entry.path, "reason": entry.reason} for entry in self.skipped],
            "symbols": [
                {
                    "symbol": entry.symbol,
                    "bars": entry.bars,
                    "first": entry.first.isoformat(),
                    "last": entry.last.isoformat(),
                }
                for entry in self.coverage
            ],
            "bars": self.bars,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "interval": interval_text(self.interval),
            "problems": [problem.as_dict() for problem in self.problems],
            "repairs": [repair.as_dict() for repair in self.repairs],
            "notes": list(self.notes),
        }


def _problem_line(problem: Problem) -> str:
    name = (DEFECTS | FACTS)[problem.kind]
    detail = f", {problem.detail}" if problem.detail != name else ""
    return (
        f"{problem.symbol}: {name}: {problem.count:,}{detail}; first at {_minute(problem.first_time)} "
        f"({PurePath(problem.file).name}, row {problem.row})"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _minute(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
