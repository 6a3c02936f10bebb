"""What is wrong, and what is merely remarkable, in the rows of one symbol. Nothing is changed here."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.interval import interval_text, phase_ms
from deepstack.candles.market import OPTIONAL_COLUMNS, PRICE_COLUMNS
from deepstack.candles.rows import Rows

DEFECTS = {
    "order": "backward jumps in time",
    "identical_duplicate": "rows repeating a bar exactly",
    "conflicting_duplicate": "rows contradicting another of the same time",
    "off_grid": "bars off the interval's grid",
    "not_finite": "rows with an empty or infinite value",
    "non_positive": "rows with a price of zero or less",
    "out_of_range": "rows with a price above 1e12 or below 1e-12",
    "negative_volume": "rows with a negative volume or count",
    "inconsistent": "rows whose high or low excludes another price",
}
"""Kind of defect → what such rows are called."""

FACTS = {"gap": "gaps", "dead": "zero-volume bars", "outlier": "extreme bars"}
"""Kinds that are true of the market or the recording and never mended."""

_EXTREME = 10.0

# Far beyond what any market quotes in any currency, and the ratio of two prices within is still a number of sense.
_LOWEST_PRICE, _HIGHEST_PRICE = 1e-12, 1e12


@dataclass(frozen=True)
class Problem:
    """One kind of finding in one symbol.

    Attributes:
        kind: a key of `DEFECTS` or `FACTS`.
        symbol: name of the instrument.
        count: how many.
        first_time: close time of the first in the order of the file, UTC.
        detail: what it is, in words.
        file: the table the first one stands in.
        row: its row number there, from 1 (a CSV's header counts as a row).
    """

    kind: str
    symbol: str
    count: int
    first_time: pd.Timestamp
    detail: str
    file: str
    row: int

    def is_defect(self) -> bool:
        """Whether strict reading refuses it."""
        return self.kind in DEFECTS

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"first_time": self.first_time.isoformat()}


@dataclass(frozen=True, eq=False)
class Defect:
    """Rows at fault in one way: `index` holds their positions, in the order they were read."""

    kind: str
    index: np.ndarray
    detail: str


def find_defects(rows: Rows) -> list[Defect]:
    """Every defect that is present, in the order of `DEFECTS`."""
    identical, conflicting = _duplicates(rows)
    prices = np.stack([rows.column(name) for name in PRICE_COLUMNS], axis=1)
    open_, high, low, close = prices.T
    positive = np.isfinite(prices) & (prices > 0)
    amounts = [rows.column(name) for name in ("volume", *OPTIONAL_COLUMNS) if name in rows.columns]
    phase = phase_ms(rows.close_ms, rows.step_ms)
    at_fault: dict[str, np.ndarray] = {
        "order": np.flatnonzero(np.diff(rows.close_ms) < 0) + 1,
        "identical_duplicate": identical,
        "conflicting_duplicate": conflicting,
        "off_grid": np.flatnonzero(rows.close_ms % rows.step_ms != phase),
        "not_finite": np.flatnonzero(~np.isfinite(rows.values).all(axis=1)),
        "non_positive": np.flatnonzero((prices <= 0).any(axis=1)),
        "out_of_range": np.flatnonzero((positive & ((prices < _LOWEST_PRICE) | (prices > _HIGHEST_PRICE))).any(axis=1)),
        "negative_volume": np.flatnonzero(np.any([amount < 0 for amount in amounts], axis=0)),
        # Comparisons with NaN are false: such rows are counted as not finite only.
        "inconsistent": np.flatnonzero((high < open_) | (high < close) | (high < low) | (low > open_) | (low > close)),
    }
    interval = interval_text(pd.Timedelta(rows.step_ms, "ms"))
    details = {"off_grid": f"closing times are not whole steps of {interval} apart"}
    return [Defect(kind, index, details.get(kind, DEFECTS[kind])) for kind, index in at_fault.items() if len(index)]


def defect_problem(rows: Rows, defect: Defect) -> Problem:
    """The defect as it is reported."""
    return _problem(rows, defect.kind, len(defect.index), int(defect.index[0]), defect.detail)


def find_facts(rows: Rows) -> list[Problem]:
    """Gaps, zero-volume bars and extreme bars of rows that are in order and free of defects."""
    return [problem for problem in (_gaps(rows), _dead(rows), _outliers(rows)) if problem is not None]


def _duplicates(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Positions of rows whose time an earlier row has, split into identical and conflicting."""
    order = np.argsort(rows.close_ms, kind="stable")
    times = rows.close_ms[order]
    repeats = np.flatnonzero(np.diff(times) == 0) + 1
    if len(repeats) == 0:
        return repeats, repeats
    is_first = np.ones(len(times), dtype=bool)
    is_first[repeats] = False
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(times)), 0))[repeats]
    here, there = rows.values[order[repeats]], rows.values[order[first]]
    same = ((here == there) | (np.isnan(here) & np.isnan(there))).all(axis=1)
    return np.sort(order[repeats[same]]), np.sort(order[repeats[~same]])


def _gaps(rows: Rows) -> Problem | None:
    missing = np.diff(rows.close_ms) // rows.step_ms - 1
    after = np.flatnonzero(missing > 0) + 1
    if len(after) == 0:
        return None
    largest = int(np.argmax(missing))
    length = int(missing[largest])
    detail = f"missing bars {int(missing.sum()):,}, at most {length:,} in a row, after {_minute(rows, largest)}"
    return _problem(rows, "gap", len(after), int(after[0]) - 1, detail)


def _dead(rows: Rows) -> Problem | None:
    dead = rows.column("volume") == 0
    if not dead.any():
        return None
    starts, lengths = zip(*_runs(dead), strict=True)
    longest = int(np.argmax(lengths))
    detail = f"stretches {len(starts):,}, the longest of {lengths[longest]:,}, from {_minute(rows, starts[longest])}"
    return _problem(rows, "dead", int(dead.sum()), starts[0], detail)


def _outliers(rows: Rows) -> Problem | None:
    open_, high, low, close = (rows.column(name) for name in PRICE_COLUMNS)
    wick = np.maximum(high / np.maximum(open_, close), np.minimum(open_, close) / low)
    step = np.ones(len(rows))
    step[1:] = np.maximum(close[1:] / close[:-1], close[:-1] / close[1:])
    step[1:][np.diff(rows.close_ms) != rows.step_ms] = 1.0  # a gap explains any step
    extreme = np.flatnonzero((wick >= _EXTREME) | (step >= _EXTREME))
    if len(extreme) == 0:
        return None
    largest = float(np.maximum(wick, step).max())
    detail = f"a wick or a step between closes of ×{_EXTREME:g} or more, the largest ×{largest:,.0f}"
    return _problem(rows, "outlier", len(extreme), int(extreme[0]), detail)


def _runs(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and length of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield start, stop - start


def _problem(rows: Rows, kind: str, count: int, position: int, detail: str) -> Problem:
    label = rows.labels[rows.table[position]]
    return Problem(kind, rows.symbol, count, _time(rows, position), detail, label, int(rows.row[position]))


def _time(rows: Rows, position: int) -> pd.Timestamp:
    return pd.Timestamp(int(rows.close_ms[position]), unit="ms", tz="UTC")


def _minute(rows: Rows, position: int) -> str:
    return f"{_time(rows, position):%Y-%m-%d %H:%M}"
