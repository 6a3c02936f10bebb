"""Reading whole markets: formats, many files, repair modes, resampling, and refusals."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.load import inspect_files, read_market
from deepstack.candles.market import REQUIRED_COLUMNS
from deepstack.errors import DataError

HOUR_MS = 3_600_000
NAMES = ["parquet", "pq", "feather", "json", "json.gz", "csv", "csv.gz", "zip"]


@pytest.mark.parametrize("extension", NAMES)
def test_every_format_gives_the_same_market(klines, write, extension: str) -> None:
    frame = klines(30)
    market, report = read_market([write(frame, f"BTC_USDT-1m.{extension}")])
    candles = market["BTCUSDT"]
    assert candles.interval == pd.Timedelta("1min")
    assert list(candles.frame.columns) == list(REQUIRED_COLUMNS)
    assert str(candles.frame.index.dtype) == "datetime64[ms, UTC]"
    assert candles.frame.index.name == "close_time"
    assert set(candles.frame.dtypes) == {np.dtype(np.float64)}
    np.testing.assert_array_equal(candles.frame.index.asi8, frame["open_time"] + 60_000)
    np.testing.assert_array_equal(candles.frame.to_numpy(), frame[list(REQUIRED_COLUMNS)])
    assert (report.bars, report.symbols, report.problems, report.repairs) == (30, ("BTCUSDT",), (), ())
    assert "times are taken as the bars' opening" in report.notes


def test_a_market_written_and_read_again_is_the_same(klines, write, tmp_path: Path) -> None:
    market, _ = read_market([write(klines(30), "A.csv")])
    market["A"].frame.to_parquet(tmp_path / "A_1m.parquet")
    again, _ = read_market([tmp_path / "A_1m.parquet"])
    assert fingerprint(again) == fingerprint(market)


def test_a_series_in_two_units_over_several_files_in_any_order(klines, write) -> None:
    early, late = klines(20), klines(20, start_ms=1_735_689_600_000 + 20 * 60_000, seed=1)
    late["open_time"] *= 1000
    paths = [write(late, "BTCUSDT-1m-2025-01-02.csv", header=False), write(early, "BTCUSDT-1m-2025-01-01.csv")]
    market, report = read_market(paths)
    assert len(market["BTCUSDT"]) == 40
    assert len(market["BTCUSDT"].segments()) == 1
    assert "times in µs" in report.notes
    assert report.problems == ()


def test_a_folder_lists_what_it_did_not_read(klines, write, tmp_path: Path) -> None:
    write(klines(), "A-1m.csv")
    write(klines(seed=1), "B-1m.parquet")
    write(pd.DataFrame({"time": [1], "midpoint": [2.0]}), "book.csv")
    (tmp_path / "README.md").write_text("hello")
    market, report = read_market([tmp_path])
    assert sorted(market) == ["A", "B"]
    assert {Path(entry.path).name for entry in report.skipped} == {"README.md", "book.csv"}


def test_a_damaged_candle_file_in_a_folder_is_not_passed_over(klines, write, tmp_path: Path) -> None:
    write(klines(), "A-1m.csv")
    write(klines().drop(columns="low"), "B-1m.csv")
    with pytest.raises(DataError, match=r"B-1m\.csv: expected a column for each of low"):
        read_market([tmp_path])


def long_format(klines) -> pd.DataFrame:
    return pd.concat([klines(seed=i).assign(symbol=name) for i, name in enumerate(["BTC/USDT", "ETH/USDT"])])


def test_symbols_are_chosen_in_any_spelling(klines, write) -> None:
    path = write(long_format(klines), "long.csv")
    assert list(read_market([path])[0]) == ["BTC/USDT", "ETH/USDT"]
    assert list(read_market([path], symbols=["ethusdt"])[0]) == ["ETH/USDT"]
    with pytest.raises(DataError, match=r"data\.symbols: expected .*BTC/USDT, ETH/USDT, received SOLUSDT"):
        read_market([path], symbols=["SOLUSDT", "ETH_USDT"])


def test_two_spellings_are_one_symbol_within_a_file_and_across_files(klines, write) -> None:
    frame = klines(20)
    one = write(pd.concat([frame.assign(symbol="BTC/USDT"), frame[5:6].assign(symbol="btcusdt")]), "long.csv")
    report = inspect_files([one])
    assert report.symbols == ("BTC/USDT",)
    assert [problem.kind for problem in report.problems] == ["order", "identical_duplicate"]
    assert "BTC/USDT is also written btcusdt" in report.notes
    two = [write(frame[:12], "BTC_USDT-1m.csv"), write(frame[10:].assign(symbol="BTC/USDT", volume=99.0), "more.csv")]
    report = inspect_files(two)
    assert report.symbols == ("BTCUSDT",)
    assert [(problem.kind, problem.count) for problem in report.problems if problem.is_defect()] == [
        ("order", 1),
        ("conflicting_duplicate", 2),
    ]


def test_a_table_without_a_sound_row_says_what_is_wrong(klines, write) -> None:
    path = write(klines().rename(columns={"high": "low", "low": "high"}), "A.csv")
    with pytest.raises(DataError, match="received 0 of 10 rows; rows whose high or low excludes another price: 10"):
        inspect_files([path])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e-320, 1e-14, 1e12, 1e305])
def test_prices_no_market_has_are_reported_without_a_warning(klines, write, factor: float) -> None:
    frame = klines(20)
    frame.loc[4, ["open", "high", "low", "close"]] *= factor
    report = inspect_files([write(frame, "A.csv")])
    assert [problem.kind for problem in report.problems] == ["out_of_range", "gap"]


def test_symbols_of_different_intervals(klines, write) -> None:
    paths = [write(klines(), "A-1m.csv"), write(klines(step_ms=HOUR_MS), "B-1h.csv")]
    message = r"B-1h\.csv \(B\): expected bars of 1min, as A has in .*A-1m\.csv, received bars of 1h — try giving only"
    with pytest.raises(DataError, match=message):
        read_market(paths)
    assert list(read_market(paths, symbols=["B"])[0]) == ["B"]


def test_newest_first_needs_permission_to_be_sorted(klines, write) -> None:
    path = write(klines(50).iloc[::-1], "A.csv")
    with pytest.raises(DataError, match=r"A\.csv, row 3 \(A\): .*backward jumps in time: 49.*data\.repair: sort"):
        read_market([path])
    market, report = read_market([path], repair="sort")
    reference, _ = read_market([write(klines(50), "A.parquet")])
    assert fingerprint(market) == fingerprint(reference)
    assert [(repair.action, repair.count) for repair in report.repairs] == [
        ("put in order: backward jumps in time", 49)
    ]


def test_overlapping_downloads(klines, write) -> None:
    frame = klines(50)
    path = write(pd.concat([frame[:30], frame[20:]]), "A.csv")
    with pytest.raises(DataError, match="rows repeating a bar exactly: 10"):
        read_market([path])
    market, report = read_market([path], repair="sort")
    assert len(market["A"]) == 50
    assert [problem.kind for problem in report.problems] == ["order", "identical_duplicate"]
    two = [write(frame[20:], "A-1m-second.csv"), write(frame[:30], "A-1m-first.csv")]
    market_of_two, _ = read_market(two, repair="sort")
    assert fingerprint(market_of_two) == fingerprint(market)


def test_conflicting_duplicates_are_refused_in_every_mode(klines, write) -> None:
    frame = klines(20)
    other = frame[10:11].assign(volume=99.0)
    path = write(pd.concat([frame, other]).sort_values("open_time", kind="stable"), "A.csv")
    for mode in ("strict", "sort", "drop"):
        with pytest.raises(DataError, match=r"A\.csv, row 13 .*contradicting"):
            read_market([path], repair=mode)


def test_drop_removes_and_counts_defective_rows(klines, write) -> None:
    frame = klines(50)
    frame.loc[10, "high"] = frame.loc[10, "low"] / 2
    frame.loc[20, "close"] = np.nan
    frame.loc[30, "open"] = -1.0
    path = write(frame, "A.csv")
    for mode in ("strict", "sort"):
        with pytest.raises(DataError, match=r"data\.repair: drop"):
            read_market([path], repair=mode)
    market, report = read_market([path], repair="drop")
    assert len(market["A"]) == 47
    assert sum(repair.count for repair in report.repairs) == 3
    assert report.problems[-1].kind == "gap"
    assert len(market["A"].segments()) == 4


def test_inspection_refuses_nothing_and_tells_everything(klines, write) -> None:
    frame = klines(20)
    path = write(pd.concat([frame, frame[10:11].assign(volume=99.0)]), "A.csv")
    report = inspect_files([path])
    assert [problem.kind for problem in report.problems] == ["order", "conflicting_duplicate"]
    assert report.has_defects()
    assert report.repairs == ()


def test_resampling_is_reported(klines, write) -> None:
    market, report = read_market([write(klines(25), "A.csv")], resample="10min")
    assert len(market["A"]) == 2
    assert report.interval == market["A"].interval == pd.Timedelta("10min")
    assert "A: 25 bars of 1min made 2 of 10min; 5 belong to incomplete bars and are left out" in report.notes
    with pytest.raises(DataError, match=r"data\.resample"):
        read_market([write(klines(25), "A.csv")], resample="often")


def test_progress_is_told_of_every_file(klines, write) -> None:
    paths = [write(klines(), "A.csv"), write(klines(), "B.csv")]
    calls: list[tuple[int, int, str]] = []
    read_market(paths, progress=lambda done, total, name: calls.append((done, total, name)))
    assert calls == [(0, 2, "A.csv"), (1, 2, "B.csv"), (2, 2, "")]


def test_one_bar_and_nothing_sound(klines, write) -> None:
    with pytest.raises(DataError, match="received one bar"):
        read_market([write(klines(1), "A.csv")])
    with pytest.raises(DataError, match="at least two sound bars, received 0 of 10 rows"):
        read_market([write(klines(10).assign(close=np.nan), "A.csv")], repair="drop")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom file permissions bind")
def test_an_unreadable_file(klines, write) -> None:
    path = write(klines(), "A.csv")
    path.chmod(0)
    with pytest.raises(DataError, match="a readable file"):
        read_market([path])


def test_errors_are_one_line(klines, write) -> None:
    frame = klines(20).astype({"close": object})
    frame.loc[4, "close"] = "two\nlines"
    with pytest.raises(DataError) as caught:
        read_market([write(frame, "A.csv")])
    assert "\n" not in str(caught.value)
