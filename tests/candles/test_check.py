"""Each planted defect is found, alone, with its count, first time and row; sound rows have none."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.check import DEFECTS, Problem, defect_problem, find_defects, find_facts
from deepstack.candles.rows import Rows

STEP_MS = 60_000
START_MS = 1_735_689_600_000


def sound(n: int = 50) -> Rows:
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    values = np.stack([open_, high, low, close, rng.uniform(1, 2, n), rng.integers(1, 9, n)], axis=1)
    columns = ("open", "high", "low", "close", "volume", "trades")
    close_ms = START_MS + STEP_MS * np.arange(1, n + 1)
    return Rows("X", STEP_MS, close_ms, columns, values, ("x.csv",), np.zeros(n, np.int32), np.arange(2, n + 2))


def set_value(column: int, value: float) -> Callable[[Rows], Rows]:
    def plant(rows: Rows) -> Rows:
        rows.values[[20, 30], column] = value
        return rows

    return plant


def scale_prices(rows: Rows) -> Rows:
    rows.values[20, :4] *= 1e11
    rows.values[30, :4] *= 1e-320
    return rows


def shift_times(rows: Rows) -> Rows:
    rows.close_ms[[20, 30]] += 1
    return rows


def repeat(rows: Rows) -> Rows:
    return rows.take(np.sort(np.concatenate([np.arange(50), [20, 30]])))


def contradict(rows: Rows) -> Rows:
    repeated = repeat(rows)
    repeated.values[[21, 32], 4] += 1.0
    return repeated


def swap(rows: Rows) -> Rows:
    order = np.arange(50)
    order[[19, 20, 29, 30]] = [20, 19, 30, 29]
    return rows.take(order)


PLANTS = {
    "order": swap,
    "identical_duplicate": repeat,
    "conflicting_duplicate": contradict,
    "off_grid": shift_times,
    "not_finite": set_value(4, np.nan),
    "non_positive": set_value(2, 0.0),
    "out_of_range": scale_prices,
    "negative_volume": set_value(5, -1.0),
    "inconsistent": set_value(2, 1e6),
}


def problems(rows: Rows) -> list[Problem]:
    return [defect_problem(rows, defect) for defect in find_defects(rows)]


def test_sound_rows_have_no_defect_and_no_fact() -> None:
    assert problems(sound()) == []
    assert find_facts(sound()) == []


def test_every_kind_is_planted() -> None:
    assert list(PLANTS) == list(DEFECTS)


@pytest.mark.parametrize("kind", PLANTS)
def test_a_planted_defect_is_found_alone_and_located(kind: str) -> None:
    rows = PLANTS[kind](sound())
    (problem,) = problems(rows)
    assert (problem.kind, problem.symbol, problem.count, problem.file) == (kind, "X", 2, "x.csv")
    position = int(np.flatnonzero(rows.row == problem.row)[0])
    assert position in (19, 20)
    assert problem.first_time.value // 10**6 == rows.close_ms[position]


def test_infinity_is_not_finite() -> None:
    rows = sound()
    rows.values[3, 1] = np.inf
    assert [problem.kind for problem in problems(rows)] == ["not_finite"]


def test_empty_values_repeated_are_identical() -> None:
    rows = sound()
    rows.values[20, 5] = np.nan
    kinds = [problem.kind for problem in problems(rows.take(np.sort(np.concatenate([np.arange(50), [20]]))))]
    assert kinds == ["identical_duplicate", "not_finite"]


def test_three_rows_of_one_time_are_compared_with_the_first() -> None:
    rows = sound().take(np.array([0, 1, 2, 2, 2, 3]))
    rows.values[4, 0] -= 1e-6
    found = {problem.kind: problem.count for problem in problems(rows)}
    assert found == {"identical_duplicate": 1, "conflicting_duplicate": 1}


def test_gaps_are_counted_bar_by_bar() -> None:
    rows = sound().take(np.delete(np.arange(50), [5, 20, 21, 22]))
    (gap,) = find_facts(rows)
    assert (gap.kind, gap.count, gap.is_defect()) == ("gap", 2, False)
    assert gap.first_time == pd.Timestamp(START_MS + 5 * STEP_MS, unit="ms", tz="UTC")  # the last bar before it
    assert gap.detail == "missing bars 4, at most 3 in a row, after 2025-01-01 00:20"


def test_dead_stretches() -> None:
    rows = sound()
    rows.values[[3, 10, 11, 12], 4] = 0.0
    (dead,) = find_facts(rows)
    assert (dead.kind, dead.count) == ("dead", 4)
    assert dead.detail == "stretches 2, the longest of 3, from 2025-01-01 00:11"


def test_extreme_wicks_and_steps() -> None:
    rows = sound()
    rows.values[7, 2] /= 1000.0
    rows.values[40:, :4] *= 100.0
    (outlier,) = find_facts(rows)
    assert (outlier.kind, outlier.count) == ("outlier", 2)
    assert outlier.first_time == pd.Timestamp(START_MS + 8 * STEP_MS, unit="ms", tz="UTC")


def test_a_step_over_a_gap_is_no_outlier() -> None:
    rows = sound()
    rows.values[40:, :4] *= 100.0
    assert [fact.kind for fact in find_facts(rows.take(np.delete(np.arange(50), 40)))] == ["gap"]
