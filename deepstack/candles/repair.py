"""What may be done to defective rows, under which permission, and the one refusal when it may not."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from deepstack.candles.check import DEFECTS, Defect, Problem
from deepstack.candles.rows import Rows
from deepstack.errors import DataError

RepairMode = Literal["strict", "sort", "drop"]

_SORT_MENDS = frozenset({"order", "identical_duplicate"})
_MENDED_BY: dict[str, frozenset[str]] = {
    "strict": frozenset(),
    "sort": _SORT_MENDS,
    "drop": frozenset(DEFECTS) - {"conflicting_duplicate"},
}
_EXPECTED = {
    "order": "rows in the order of time",
    "identical_duplicate": "one row a bar",
    "conflicting_duplicate": "one row a bar",
    "off_grid": "bars a whole number of intervals apart",
    "not_finite": "a number in every price and volume",
    "non_positive": "positive prices",
    "out_of_range": "prices from 1e-12 to 1e12",
    "negative_volume": "volumes and counts of zero or more",
    "inconsistent": "low ≤ open, close ≤ high",
}


@dataclass(frozen=True)
class Repair:
    """Something that was done to the rows of one symbol: `action` in words, `count` rows or times."""

    symbol: str
    action: str
    count: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def require_mendable(problems: Sequence[Problem], mode: RepairMode) -> None:
    """Refuse, all at once, the defects that `mode` does not allow to mend.

    Raises:
        DataError: names file, row, symbol, kind, count and first time of the first, counts the others, and says what
            setting of `data.repair` would do, if one would.
    """
    refused = [problem for problem in problems if problem.is_defect() and problem.kind not in _MENDED_BY[mode]]
    if not refused:
        return
    first = refused[0]
    others = [f"{DEFECTS[problem.kind]}: {problem.count:,} ({problem.symbol})" for problem in refused[1:]]
    shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more kinds" if len(others) > 4 else "")
    raise DataError(
        f"{first.file}, row {first.row} ({first.symbol})",
        expected=_EXPECTED[first.kind],
        received=f"{DEFECTS[first.kind]}: {first.count:,}, the first closing at "
        f"{first.first_time:%Y-%m-%d %H:%M:%S} UTC" + (f"; also {shown}" if shown else ""),
        remedy=_remedy({problem.kind for problem in refused}),
    )


def mend(rows: Rows, defects: Sequence[Defect]) -> tuple[Rows, list[Repair]]:
    """Drop the rows at fault and put the rest in order; a row at fault twice is counted at its first defect.

    Of rows with one time the first that was read stays.
    """
    repairs: list[Repair] = []
    keep = np.ones(len(rows), dtype=bool)
    for defect in defects:
        if defect.kind == "order":
            repairs.append(Repair(rows.symbol, "put in order: backward jumps in time", len(defect.index)))
            continue
        dropped = defect.index[keep[defect.index]]
        keep[dropped] = False
        if len(dropped):
            repairs.append(Repair(rows.symbol, f"dropped: {DEFECTS[defect.kind]}", len(dropped)))
    order = np.argsort(rows.close_ms, kind="stable")
    return rows.take(order[keep[order]]), repairs


def _remedy(kinds: set[str]) -> str:
    if "conflicting_duplicate" in kinds:
        return "deciding which of the contradicting rows is right and deleting the others; nothing chooses for you"
    if kinds <= _SORT_MENDS:
        return "data.repair: sort"
    return "data.repair: drop, or correcting the file"
