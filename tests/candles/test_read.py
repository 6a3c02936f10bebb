"""Bytes → pieces: every format gives back what was written, and bad content is refused with its row."""

import json
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from deepstack.candles.columns import NotCandlesError
from deepstack.candles.read import Piece, read_pieces
from deepstack.candles.sources import Member
from deepstack.errors import DataError

COLUMNS = ["open", "high", "low", "close", "volume"]
START_MS = 1_735_689_600_000


def read(data: bytes | str, table_format: str = "csv", name: str = "BTCUSDT-1m.csv") -> list[Piece]:
    content = data.encode() if isinstance(data, str) else data
    return read_pieces(Member(name, (name,), table_format, content))[0]


def notes(data: str) -> list[str]:
    return read_pieces(Member("x.csv", ("x.csv",), "csv", data.encode()))[1]


def encode(frame: pd.DataFrame, table_format: str) -> bytes:
    buffer = BytesIO()
    if table_format == "parquet":
        frame.to_parquet(buffer)
    elif table_format == "feather":
        frame.to_feather(buffer)
    elif table_format == "json":
        return json.dumps(frame.to_numpy(dtype=object).tolist()).encode()
    elif table_format == "records":
        return json.dumps(frame.to_dict(orient="records")).encode()
    else:
        return frame.to_csv(index=False, header=table_format == "csv").encode()
    return buffer.getvalue()


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=25, deadline=None)
@given(
    values=npst.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(5)), elements=FINITE),
    table_format=st.sampled_from(["csv", "headerless", "parquet", "feather", "json", "records"]),
)
def test_round_trip_is_exact_in_every_format(values: np.ndarray, table_format: str) -> None:
    times = START_MS + 60_000 * np.arange(len(values), dtype=np.int64)
    frame = pd.DataFrame({"open_time": times} | {name: values[:, i] for i, name in enumerate(COLUMNS)})
    reader = {"headerless": "csv", "records": "json"}.get(table_format, table_format)
    (piece,) = read(encode(frame, table_format), reader)
    assert piece.columns == tuple(COLUMNS)
    assert piece.is_open_time
    np.testing.assert_array_equal(piece.time_ms, times)
    np.testing.assert_array_equal(piece.values, values)


def test_line_numbers_count_the_header() -> None:
    line = f"{START_MS},1,2,1,2,5\n"
    assert read(line * 2)[0].row.tolist() == [1, 2]
    assert read("time,open,high,low,close,volume\n" + line * 2)[0].row.tolist() == [2, 3]


def test_binance_klines_with_and_without_header(klines) -> None:
    frame = klines(5)
    frame["close_time"] = frame["open_time"] + 59_999
    frame["quote_volume"], frame["count"], frame["taker_buy_volume"] = 1.0, np.arange(5), 0.5
    frame["taker_buy_quote_volume"], frame["ignore"] = 1.0, 0
    plain, headed = (read(frame.to_csv(index=False, header=header))[0] for header in (False, True))
    assert plain.columns == headed.columns == (*COLUMNS, "trades", "taker_buy_volume")
    np.testing.assert_array_equal(plain.values, headed.values)
    np.testing.assert_array_equal(plain.values[:, 5], np.arange(5))
    assert plain.is_open_time


def test_binance_api_json_holds_numbers_as_text() -> None:
    row = [
        START_MS,
        "0.0163",
        "0.8",
        "0.0157",
        "0.0157",
        "148.9",
        START_MS + 59_999,
        "2434.1",
        308,
        "1756.8",
        "28.4",
        "0",
    ]
    (piece,) = read(json.dumps([row]), "json")
    assert piece.values.tolist() == [[0.0163, 0.8, 0.0157, 0.0157, 148.9, 308.0, 1756.8]]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters_quotes_crlf_and_byte_order_mark(delimiter: str) -> None:
    text = '\ufeff"time","open","high","low","close","volume"\r\n"2025-01-01","1","2","0.5","1.5","9"\r\n\r\n'
    (piece,) = read(text.replace(",", delimiter))
    assert piece.time_ms.tolist() == [START_MS]
    assert piece.values.tolist() == [[1.0, 2.0, 0.5, 1.5, 9.0]]


def test_a_vendor_line_above_the_header_is_passed_over_and_said_so() -> None:
    text = "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USDT\n"
    text += "1735689660,2025-01-01 00:01:00,BTC/USDT,1,2,0.5,1.5,9,13\n"
    (piece,) = read(text)
    assert (piece.symbol, piece.row.tolist(), piece.values[0, 4]) == ("BTC/USDT", [3], 9.0)
    assert any("CryptoDataDownload" in note for note in notes(text))


def test_long_format_is_split_by_symbol_in_file_order() -> None:
    rows = [("B", 0), ("A", 0), ("B", 1), ("A", 1)]
    text = "open_time,symbol,open,high,low,close,volume\n"
    text += "".join(f"{START_MS + 60_000 * i},{symbol},1,1,1,1,{i}\n" for symbol, i in rows)
    pieces = {piece.symbol: piece for piece in read(text)}
    assert pieces["A"].row.tolist() == [3, 5]
    assert pieces["B"].row.tolist() == [2, 4]


def test_parquet_with_its_time_in_the_index(klines) -> None:
    frame = klines(3)
    times = pd.to_datetime(frame.pop("open_time"), unit="ms", utc=True)
    for name in ("date", None):
        (piece,) = read(encode(frame.set_index(pd.DatetimeIndex(times, name=name)), "parquet"), "parquet")
        assert piece.time_ms.tolist() == [START_MS, START_MS + 60_000, START_MS + 120_000]


def test_empty_values_stay_and_empty_columns_go() -> None:
    text = f"time,open,high,low,close,volume,trades\n{START_MS},1,,1,null,NaN,\n"
    (piece,) = read(text)
    assert piece.columns == tuple(COLUMNS)
    np.testing.assert_array_equal(piece.values, [[1, np.nan, 1, np.nan, np.nan]])
    assert "the column trades is empty and left out" in notes(text)


GOOD = f"{START_MS},1,2,1,2,5\n"
HEADER = "time,open,high,low,close,volume\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_numbers_count_blank_lines(newline: str) -> None:
    text = "\n\n" + HEADER + "\n" + GOOD + "\n\n" + GOOD + "\n\n"
    assert read(text.replace("\n", newline))[0].row.tolist() == [5, 8]
    assert read(("\n" + GOOD + "\n" + GOOD).replace("\n", newline))[0].row.tolist() == [2, 4]
    for bad, message in (
        (GOOD.replace(",5", ",x"), "row 11, column volume: expected a number"),
        (GOOD.replace(",5", ""), "row 11: expected 6 columns as in the first row, received 5"),
    ):
        with pytest.raises(DataError, match=message):
            read((text + bad).replace("\n", newline))


def test_two_spellings_of_a_symbol_are_one_piece_in_file_order() -> None:
    lines = [f"{START_MS},BTC/USDT,1,1,1,1,1\n", f"{START_MS},ETH,1,1,1,1,1\n", f"{START_MS},btcusdt ,1,1,1,1,1\n"]
    pieces = read(HEADER.replace("open", "symbol,open") + "".join(lines))
    assert [(piece.symbol, piece.row.tolist()) for piece in pieces] == [("BTC/USDT", [2, 4]), ("ETH", [3])]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "open",
            [True] * 3,
            "row 1, column open: expected a number, received bool True and 2 more — try writing numbers",
        ),
        ("open", [b"1"] * 3, "row 1, column open: expected a number, received bytes b'1' and 2 more"),
        ("open", [[1.0]] * 3, "row 1, column open: expected a number, received ndarray array"),
        ("open", pd.to_datetime(["2025-01-01"] * 3), "row 1, column open: expected a number, received Timestamp"),
        ("symbol", [["A"]] * 3, "column symbol: expected text, received ndarray"),
    ],
)
def test_columns_of_another_type_are_refused_with_their_type(klines, column: str, values: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(encode(klines(3).assign(**{column: values}), "parquet"), "parquet")


def test_numbers_and_times_stored_as_categories(klines) -> None:
    frame = klines(3)
    (piece,) = read(encode(frame.astype("category"), "parquet"), "parquet")
    np.testing.assert_array_equal(piece.values, frame[COLUMNS])
    np.testing.assert_array_equal(piece.time_ms, frame["open_time"])


def test_a_single_true_among_numbers_is_no_number() -> None:
    rows = [[START_MS, 1, 1, 1, 1, 1], [START_MS, True, 1, 1, 1, 1]]
    with pytest.raises(DataError, match="row 2, column open: expected a number, received bool True — try correcting"):
        read(json.dumps(rows), "json")


def test_json_integers_without_bound() -> None:
    (piece,) = read(json.dumps([[START_MS * 10**6, 10**400, 2**63 - 1, 10**19, -1, 0]]), "json")
    assert piece.time_ms.tolist() == [START_MS]
    assert piece.values.tolist() == [[np.inf, 2.0**63, 1e19, -1.0, 0.0]]
    with pytest.raises(DataError, match="row 1: expected a time"):
        read(json.dumps([[10**400, 1, 1, 1, 1, 1]]), "json")


def test_feather_of_version_1_never_reaches_its_reader() -> None:
    with pytest.raises(DataError, match="received one of version 1 — try writing it again as Feather version 2"):
        read(b"FEA1" + bytes(99) + b"FEA1", "feather")


@pytest.mark.parametrize("header", [HEADER.replace(",", ";"), ""])
def test_decimal_commas_are_named(header: str) -> None:
    text = header + f"{START_MS};100,0;100,5;99,5;100,25;4,5\n" * 2
    with pytest.raises(DataError, match=r"column open: expected a number, received '100,0' .*without decimal commas"):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD * 2 + f"{START_MS},1,2,1,n.a.,5\n", r"row 3, column close: expected a number, received 'n\.a\.'"),
        (GOOD + f"{START_MS},1,2\n", "row 2: expected 6 columns as in the first row, received 3"),
        (GOOD + f"{START_MS},1,2,3,4,5,6,7\n", "row 2: expected 6 columns as in the first row, received 8"),
        (HEADER, "received a header alone"),
        (HEADER.strip(), "received a header alone"),
        (HEADER + "\n \n", "received a header alone"),
        ("time,open,high,low,close,volume\n" + GOOD + "time,open,high,low,close,volume\n", "row 3: .* received 'time'"),
        ("\n\n", "received blank lines"),
        ("time,open,high,low,close\n1,1,1,1,1\n", "a column for each of volume"),
        ("time,symbol,open,high,low,close,volume\n" + f"{START_MS},,1,1,1,1,1\n", "row 2: expected a symbol"),
    ],
)
def test_bad_csv_is_refused_with_its_row(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(text)


def test_the_row_of_a_bad_number_counts_header_and_vendor_line() -> None:
    text = "https://vendor\ntime,open,high,low,close,volume\n" + GOOD + GOOD.replace(",5", ",x")
    with pytest.raises(DataError, match="row 4"):
        read(text)


@pytest.mark.parametrize(
    ("data", "table_format"),
    [
        ("no parquet", "parquet"),
        ("no feather", "feather"),
        ("[[1,2", "json"),
        ("[" * 100_000, "json"),
        (GOOD.encode("utf-16"), "csv"),
        (b"\xff\xfe\x00\x01" * 9, "json"),
    ],
)
def test_unreadable_content(data: bytes | str, table_format: str) -> None:
    with pytest.raises(DataError, match=r"damaged or unreadable|UTF-8"):
        read(data, table_format)


@pytest.mark.parametrize("content", [{}, [], [1, 2], [[1, 2], [1]], "text", None])
def test_json_that_is_no_list_of_candles(content: object) -> None:
    with pytest.raises(DataError):
        read(json.dumps(content), "json")


FUZZED = pd.DataFrame({"open_time": START_MS + 60_000 * np.arange(8)} | dict.fromkeys(COLUMNS, 1.5))


@pytest.mark.parametrize("table_format", ["csv", "headerless", "parquet", "feather", "json"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_but_never_crash(table_format: str, data: st.DataObject) -> None:
    content = bytearray(encode(FUZZED, table_format))
    start = data.draw(st.integers(0, len(content) - 1))
    content[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    try:
        read(bytes(content), {"headerless": "csv"}.get(table_format, table_format))
    except DataError as error:
        assert "\n" not in str(error)


def test_trades_are_no_candles() -> None:
    with pytest.raises(NotCandlesError):
        read(json.dumps([[START_MS, "1", None, "sell", 1.0, 2.0, 2.0]]), "json")
