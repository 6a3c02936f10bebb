"""Which header means what."""

import pytest

from deepstack.candles.columns import KLINE_COLUMNS, NotCandlesError, assign_columns
from deepstack.errors import DataError

OHLCV = ["open", "high", "low", "close", "volume"]


def test_binance_without_header() -> None:
    plan = assign_columns(None, 12, "x.csv")
    assert plan == {
        **{"open_time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5},
        **{"trades": 8, "taker_buy_volume": 9},
    }
    assert assign_columns(KLINE_COLUMNS, 12, "x.csv") == plan


@pytest.mark.parametrize("width", [5, 7, 11])
def test_other_widths_without_header_are_refused(width: int) -> None:
    with pytest.raises(NotCandlesError, match=f"{width} columns without a header"):
        assign_columns(None, width, "x.csv")


@pytest.mark.parametrize(
    "header",
    [
        ["Timestamp", "Open", "High", "Low", "Close", "Volume"],
        ["date", *OHLCV],
        ["Open time", "Open", "High", "Low", "Close", "Volume", "Close time"],
        ["openTime", "openPrice", "highPrice", "lowPrice", "closePrice", "volume"],
        ["<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<TICKVOL>"],
        ["t", "o", "h", "l", "c", "v"],
        ["", *OHLCV],
        ["Gmt time", "Open", "High", "Low", "Close", "Volume"],
    ],
)
def test_headers_in_the_usual_order(header: list[str]) -> None:
    plan = assign_columns(header, len(header), "x.csv")
    assert plan == {name: i for i, name in enumerate(["open_time", *OHLCV])}


def test_cryptodatadownload() -> None:
    header = ["unix", "date", "symbol", "open", "high", "low", "close", "Volume BTC", "Volume USDT", "tradecount"]
    plan = assign_columns(header, len(header), "x.csv")
    assert (plan["open_time"], plan["symbol"], plan["volume"], plan["trades"]) == (0, 2, 7, 9)


def test_base_volume_wins_whatever_the_order() -> None:
    header = ["unix", "open", "high", "low", "close", "Volume USDT", "Volume BTC"]
    assert assign_columns(header, 7, "x.csv")["volume"] == 6


def test_open_time_wins_over_close_time() -> None:
    plan = assign_columns(["close_time", "open_time", *OHLCV], 7, "x.csv")
    assert plan["open_time"] == 1
    assert "close_time" not in plan
    assert assign_columns(["close_time", *OHLCV], 6, "x.csv")["close_time"] == 0


def test_short_names_of_taker_volume() -> None:
    for name in ("tb_base", "taker_buy_base_asset_volume", "taker_buy_base", "taker_buy_volume"):
        assert assign_columns(["time", *OHLCV, name], 7, "x.csv")["taker_buy_volume"] == 6


def test_missing_columns_are_named() -> None:
    with pytest.raises(
        DataError, match=r"x\.csv: expected a column for each of low, volume, received the columns time"
    ):
        assign_columns(["time", "open", "high", "close"], 4, "x.csv")
    with pytest.raises(DataError, match="each of open_time"):
        assign_columns(OHLCV, 5, "x.csv")


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(DataError, match="one column close, received 'close' and 'Close'"):
        assign_columns(["time", *OHLCV, "Close"], 7, "x.csv")


def test_a_table_without_columns() -> None:
    with pytest.raises(NotCandlesError, match="received no columns"):
        assign_columns([], 0, "x.parquet")


def test_a_table_of_something_else() -> None:
    with pytest.raises(NotCandlesError):
        assign_columns(["system_time", "midpoint", "spread"], 3, "book.csv")
