"""Pieces of one symbol put together: order of files, close times, interval, common columns."""

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.read import Piece
from deepstack.candles.rows import combine_pieces
from deepstack.errors import DataError

COLUMNS = ("open", "high", "low", "close", "volume")
HOUR_MS = 3_600_000
START_MS = 1_735_689_600_000


def piece(
    time_ms: list[int], label: str = "a.csv", *, is_open: bool = True, columns: tuple[str, ...] = COLUMNS
) -> Piece:
    n = len(time_ms)
    times = np.array(time_ms, dtype=np.int64)
    return Piece("BTCUSDT", label, times, is_open, columns, np.ones((n, len(columns))), np.arange(1, n + 1))


def hours(start: int, stop: int, offset_ms: int = 0) -> list[int]:
    return [START_MS + HOUR_MS * i + offset_ms for i in range(start, stop)]


def test_open_times_become_close_times() -> None:
    rows, _ = combine_pieces([piece(hours(0, 4))])
    assert rows.step_ms == HOUR_MS
    assert rows.close_ms.tolist() == hours(1, 5)
    index = rows.to_candles().frame.index
    assert str(index.dtype) == "datetime64[ms, UTC]"
    assert index[0] == pd.Timestamp("2025-01-01 01:00", tz="UTC")


@pytest.mark.parametrize("offset_ms", [0, -1, -1000])
def test_close_times_to_the_last_moment_inside_the_bar(offset_ms: int) -> None:
    rows, _ = combine_pieces([piece(hours(1, 5, offset_ms), is_open=False)])
    assert rows.close_ms.tolist() == hours(1, 5)


def test_open_and_close_times_of_the_same_bars_agree() -> None:
    opens, _ = combine_pieces([piece(hours(0, 4))])
    closes, _ = combine_pieces([piece(hours(1, 5, -1), is_open=False)])
    np.testing.assert_array_equal(opens.close_ms, closes.close_ms)


def test_files_are_put_in_the_order_of_their_first_time() -> None:
    rows, _ = combine_pieces([piece(hours(4, 8), "late.csv"), piece(hours(0, 4), "early.csv")])
    assert rows.labels == ("early.csv", "late.csv")
    assert rows.close_ms.tolist() == hours(1, 9)
    assert (rows.labels[rows.table[5]], rows.row[5]) == ("late.csv", 2)


def test_a_file_too_short_to_tell_takes_the_interval_of_the_others() -> None:
    rows, _ = combine_pieces(
        [piece(hours(0, 9)), piece([hours(10, 11)[0]], "one.csv"), piece(hours(12, 16)[::2], "two.csv")]
    )
    assert rows.step_ms == HOUR_MS


def test_one_bar_is_refused() -> None:
    with pytest.raises(DataError, match="received one bar"):
        combine_pieces([piece(hours(0, 1))])


def test_files_of_different_intervals_are_refused() -> None:
    with pytest.raises(DataError, match=r"b\.csv .*expected bars of 1h as in a\.csv, received bars of 2h"):
        combine_pieces([piece(hours(0, 9)), piece(hours(10, 20)[::2], "b.csv")])


def test_few_bars_of_a_shorter_interval_are_refused() -> None:
    minutes = [START_MS - 24 * HOUR_MS + 60_000 * i for i in range(3)]
    with pytest.raises(DataError, match=r"m\.csv .*expected bars of 1h as in h\.csv, received bars of 1min"):
        combine_pieces([piece(hours(0, 9), "h.csv"), piece(minutes, "m.csv")])


def test_an_interval_that_only_files_of_one_bar_have_together() -> None:
    minutes = [START_MS - 24 * HOUR_MS + 60_000 * i for i in range(4)]
    single = [piece([time], f"{i}.csv") for i, time in enumerate(hours(0, 9))]
    with pytest.raises(DataError, match=r"m\.csv .*expected bars of 1h as in 0\.csv, received bars of 1min"):
        combine_pieces([*single, piece(minutes, "m.csv")])


def test_an_optional_column_must_be_in_every_file() -> None:
    pieces = [piece(hours(0, 4), columns=(*COLUMNS, "trades")), piece(hours(4, 8), "b.csv")]
    rows, notes = combine_pieces(pieces)
    assert rows.columns == COLUMNS
    assert notes == ["BTCUSDT: trades is left out, not every file has it"]
