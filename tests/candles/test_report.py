"""The report as text and as JSON."""

import json

import pandas as pd

from deepstack.candles.check import Problem
from deepstack.candles.repair import Repair
from deepstack.candles.report import Coverage, ReadReport
from deepstack.candles.sources import Skipped

FIRST, LAST = pd.Timestamp("2025-01-01 01:00", tz="UTC"), pd.Timestamp("2025-01-02 00:00", tz="UTC")


def report(problems: tuple[Problem, ...] = (), repairs: tuple[Repair, ...] = (), skipped: int = 0) -> ReadReport:
    return ReadReport(
        files=("data/a.csv",),
        skipped=tuple(Skipped(f"{i}.txt", "unknown extension") for i in range(skipped)),
        coverage=(Coverage("A", 24, FIRST, LAST), Coverage("B", 10, FIRST + pd.Timedelta("1h"), LAST)),
        interval=pd.Timedelta("1h"),
        problems=problems,
        repairs=repairs,
        notes=("times in ms",),
    )


GAP = Problem("gap", "A", 1, FIRST, "missing bars 3, at most 3 in a row, after 2025-01-01 01:00", "data/a.csv", 2)
ORDER = Problem("order", "B", 1200, LAST, "backward jumps in time", "data/a.csv", 9)


def test_totals() -> None:
    assert report().symbols == ("A", "B")
    assert (report().bars, report().first, report().last) == (34, FIRST, LAST)
    assert not report((GAP,)).has_defects()
    assert report((GAP, ORDER)).has_defects()


def test_lines_of_a_clean_reading() -> None:
    assert report().lines() == [
        "1 file, 2 symbols, 34 bars of 1h, 2025-01-01 01:00 to 2025-01-02 00:00 UTC (closing times)",
        "  A: 24 bars, 2025-01-01 01:00 to 2025-01-02 00:00",
        "  B: 10 bars, 2025-01-01 02:00 to 2025-01-02 00:00",
        "problems: none",
        "note: times in ms",
    ]


def test_lines_of_problems_and_repairs() -> None:
    lines = report((GAP, ORDER), (Repair("B", "dropped: rows repeating a bar exactly", 1200),)).lines()
    assert lines[3:8] == [
        "problems:",
        "  A: gaps: 1, missing bars 3, at most 3 in a row, after 2025-01-01 01:00; first at 2025-01-01 01:00 "
        "(a.csv, row 2)",
        "  B: backward jumps in time: 1,200; first at 2025-01-02 00:00 (a.csv, row 9)",
        "repairs:",
        "  B: dropped: rows repeating a bar exactly: 1,200",
    ]


def test_many_skipped_files_are_listed_briefly_and_counted_fully() -> None:
    lines = report(skipped=25).lines()
    assert "not read: 25 files" in lines
    assert "  and 15 more: unknown extension" in lines


def test_json_round_trip() -> None:
    content = report((GAP, ORDER), (Repair("B", "dropped", 1),), skipped=2).as_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["first"] == "2025-01-01T01:00:00+00:00"
    assert content["interval"] == "1h"
    assert content["problems"][1]["count"] == 1200
