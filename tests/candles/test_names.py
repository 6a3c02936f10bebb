"""Symbols from file names."""

import pytest

from deepstack.candles.names import first_spellings, same_symbol_key, symbol_from_names


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT-1m-2025-01-04.csv", "BTCUSDT"),
        ("BTCUSDT-1m-2025-01.zip", "BTCUSDT"),
        ("BNB_USDT-1h.json", "BNBUSDT"),
        ("UNITTEST_BTC-8m.json.gz", "UNITTESTBTC"),
        ("BTC_USDT_USDT-1h-futures.feather", "BTCUSDT"),
        ("btcusdt_um_1m_2022-10_2023-03.csv.gz", "BTCUSDT"),
        ("ethusdt_spot_1m_2017-08_2018-07.csv.gz", "ETHUSDT"),
        ("Binance_BTCUSDT_d.csv", "BTCUSDT"),
        ("Bitstamp_BTCUSD_2021_minute.csv", "BTCUSD"),
        ("ETH-USD.csv", "ETHUSD"),
        ("1000SHIBUSDT-15m.parquet", "1000SHIBUSDT"),
        ("1INCHUSDT-1h.csv", "1INCHUSDT"),
        ("aapl.csv", "AAPL"),
        ("2025-01-01.csv", "20250101"),
        ("T-1d.csv", "T"),
        ("AAPL-history.csv", "AAPL"),
        ("D-1d.csv", "D"),
        ("DATA_USDT-1h.json", "DATAUSDT"),
    ],
)
def test_file_names(name: str, symbol: str) -> None:
    assert symbol_from_names([name]) == symbol


def test_the_zip_speaks_when_its_member_does_not() -> None:
    assert symbol_from_names(["20250101_trade.csv", "btcusd_1d.zip"]) == "BTCUSD"


def test_spellings_of_one_symbol() -> None:
    assert same_symbol_key("BTC/USDT") == same_symbol_key("btc_usdt") == same_symbol_key("BTCUSDT")
    assert same_symbol_key("币安人生/USDT") != same_symbol_key("USDT")


def test_the_first_spelling_names_the_symbol() -> None:
    assert first_spellings(["eth", "BTC/USDT", "BTCUSDT", "ETH"]) == {
        **{"eth": "eth", "ETH": "eth"},
        **{"BTC/USDT": "BTC/USDT", "BTCUSDT": "BTC/USDT"},
    }
