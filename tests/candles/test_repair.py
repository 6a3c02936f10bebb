"""What each mode allows, what it does, and that every removed row is counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstack.candles.check import DEFECTS, Problem, defect_problem, find_defects
from deepstack.candles.repair import RepairMode, mend, require_mendable
from deepstack.candles.rows import Rows
from deepstack.errors import DataError

STEP_MS = 60_000
COLUMNS = ("open", "high", "low", "close", "volume")


def rows_at(close_ms: np.ndarray) -> Rows:
    n = len(close_ms)
    return Rows(
        "X", STEP_MS, close_ms, COLUMNS, np.ones((n, 5)), ("x.csv",), np.zeros(n, np.int32), np.arange(1, n + 1)
    )


def problem(kind: str, symbol: str = "X") -> Problem:
    rows = rows_at(STEP_MS * np.arange(1, 5))
    from_rows = defect_problem(rows.take(np.array([1, 0])), find_defects(rows.take(np.array([1, 0])))[0])
    return Problem(kind, symbol, 3, from_rows.first_time, "", "x.csv", 7)


@pytest.mark.parametrize(
    ("mode", "mended"),
    [
        ("strict", set()),
        ("sort", {"order", "identical_duplicate"}),
        ("drop", set(DEFECTS) - {"conflicting_duplicate"}),
    ],
)
def test_what_each_mode_allows(mode: RepairMode, mended: set[str]) -> None:
    for kind in DEFECTS:
        if kind in mended:
            require_mendable([problem(kind)], mode)
        else:
            with pytest.raises(DataError, match=r"x\.csv, row 7 \(X\): .*: 3, the first closing at 1970-01-01"):
                require_mendable([problem(kind)], mode)


@pytest.mark.parametrize("kind", ["gap", "dead", "outlier"])
def test_facts_are_never_refused(kind: str) -> None:
    require_mendable([problem(kind)], "strict")


def test_one_error_counts_all_and_names_the_remedy() -> None:
    with pytest.raises(DataError, match=r"also rows repeating a bar exactly: 3 \(Y\).*try data\.repair: sort$"):
        require_mendable([problem("order"), problem("identical_duplicate", "Y")], "strict")
    with pytest.raises(DataError, match=r"try data\.repair: drop"):
        require_mendable([problem("order"), problem("off_grid")], "strict")
    with pytest.raises(DataError, match="nothing chooses for you"):
        require_mendable([problem("order"), problem("conflicting_duplicate")], "drop")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_sorted_and_deduplicated_whatever_the_order(bars: list[int]) -> None:
    rows = rows_at(STEP_MS * np.array(bars))
    mended, repairs = mend(rows, find_defects(rows))
    assert mended.close_ms.tolist() == [STEP_MS * bar for bar in sorted(set(bars))]
    dropped = sum(repair.count for repair in repairs if repair.action.startswith("dropped"))
    assert dropped == len(bars) - len(set(bars))
    assert find_defects(mended) == []


def test_of_repeated_rows_the_first_read_stays() -> None:
    rows = rows_at(STEP_MS * np.array([1, 2, 3, 2]))
    mended, _ = mend(rows, find_defects(rows))
    assert mended.row.tolist() == [1, 2, 3]


def test_a_row_at_fault_twice_is_counted_once() -> None:
    rows = rows_at(STEP_MS * np.arange(1, 9))
    rows.close_ms[4] += 5
    rows.values[4, 0] = np.nan
    rows.values[5, 0] = -1.0
    mended, repairs = mend(rows, find_defects(rows))
    assert len(mended) == 6
    assert sum(repair.count for repair in repairs) == 2


def test_sound_rows_come_back_unchanged() -> None:
    rows = rows_at(STEP_MS * np.arange(1, 9))
    mended, repairs = mend(rows, [])
    assert repairs == []
    np.testing.assert_array_equal(mended.close_ms, rows.close_ms)
