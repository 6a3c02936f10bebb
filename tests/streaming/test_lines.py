"""Lines of candles in the forms that feeds write them, and lines that are none."""

import math

import pytest

from deepstack.errors import DataError
from deepstack.streaming.lines import BarReader, HeaderError

COLUMNS = ("open", "high", "low", "close", "volume")
VALUES = (10.0, 12.0, 9.0, 11.0, 5.0)
CLOSE_MS = 1_700_000_040_000
OPEN_MS = CLOSE_MS - 60_000


def reader(symbol: str | None = None) -> BarReader:
    return BarReader(COLUMNS, 60_000, symbol)


@pytest.mark.parametrize(
    "line",
    [
        f'{{"symbol": "X", "open_time": {OPEN_MS}, "open": 10, "high": "12.0", "low": 9, "close": 11, "volume": 5}}',
        f'{{"s": 1, "ticker": "X", "t": {OPEN_MS}, "o": 10, "h": 12, "l": 9, "c": 11, "v": 5}}',
        f'{{"symbol": "X", "close_time": {CLOSE_MS}, "open": 10, "high": 12, "low": 9, "close": 11, "volume": 5}}',
        f'{{"symbol": "X", "close_time": {CLOSE_MS - 1}, "open": 10, "high": 12, "low": 9, "close": 11, "volume": 5}}',
        '{"symbol": "X", "date": "2023-11-14T22:13:00Z", "open": 10, "high": 12, "low": 9, "close": 11, "volume": 5}',
    ],
)
def test_json_objects(line: str) -> None:
    bar = reader().line(line, "line 1")
    assert bar is not None
    assert (bar.symbol, bar.close_ms, bar.values) == ("X", CLOSE_MS, VALUES)


def test_csv_with_and_without_a_header_and_lists() -> None:
    headed = reader()
    assert headed.line("symbol;close_time;open;high;low;close;volume", "line 1") is None
    row = headed.line(f"X;{CLOSE_MS};10;12;9;11;5", "line 2")
    assert row is not None and (row.symbol, row.close_ms, row.values) == ("X", CLOSE_MS, VALUES)
    assert headed.line("symbol;close_time;open;high;low;close;volume", "line 3") is None
    assert headed.line("  ", "line 4") is None
    for text in (f"{OPEN_MS},10,12,9,11,5", f"[{OPEN_MS}, 10, 12, 9, 11, 5]"):
        bare = reader("Y").line(text, "line 1")
        assert bare is not None and (bare.symbol, bare.close_ms, bare.values) == ("Y", CLOSE_MS, VALUES)


GOOD = f'{{"symbol": "X", "close_time": {CLOSE_MS}, "open": 10, "high": 12, "low": 9, "close": 11, "volume": 5}}'


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "{",
        "[]",
        "[" * 60_000,
        "[[1],2,3,4,5,6]",
        '"',
        GOOD.replace(str(CLOSE_MS), "null"),
        GOOD.replace(str(CLOSE_MS), "true"),
        GOOD.replace(str(CLOSE_MS), "[1]"),
        GOOD.replace(str(CLOSE_MS), "1" * 60),
        GOOD.replace(str(CLOSE_MS), "NaN"),
        GOOD.replace(str(CLOSE_MS), "12"),
        GOOD.replace("11", "NaN"),
        GOOD.replace("11", "true"),
        GOOD.replace("11", '"1,5"'),
        GOOD.replace("11", "{}"),
        GOOD.replace("11", "13"),
        GOOD.replace("10", "-10"),
        GOOD.replace(": 5", ": -5"),
        GOOD.replace('"X"', '""'),
        GOOD.replace('"volume"', '"amount"'),
        "\x00\x01\x02",
        "a\rb,c",
        f"{OPEN_MS},10,12,9",
    ],
)
def test_what_is_no_bar_is_refused_and_the_next_line_is_read(line: str) -> None:
    lines = reader()
    with pytest.raises(DataError) as caught:
        lines.line(line, "line 7")
    assert "line 7" in str(caught.value) or "sound bar" in str(caught.value)
    assert lines.line(GOOD, "line 8") is not None


def test_a_header_without_what_candles_have_ends_the_reading() -> None:
    with pytest.raises(HeaderError, match="a column for each of volume"):
        reader().line("time,open,high,low,close,amount", "line 1")


def test_columns_that_features_need_must_be_there() -> None:
    wide = BarReader((*COLUMNS, "trades"), 60_000)
    with pytest.raises(DataError, match="line 3, trades: expected a number, received None"):
        wide.line(GOOD, "line 3")
    bar = wide.line(GOOD.replace("}", ', "trades": 7}'), "line 4")
    assert bar is not None and math.isclose(bar.values[-1], 7.0)
