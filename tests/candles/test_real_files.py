"""Real exchange files: what is known about them is what the reader finds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.load import inspect_files, read_market
from deepstack.candles.report import ReadReport
from deepstack.errors import DataError

REAL = Path(__file__).resolve().parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="needs the real candle files in ../shared/data")


def counts(report: ReadReport, kind: str) -> dict[str, int]:
    return {problem.symbol: problem.count for problem in report.problems if problem.kind == kind}


def detail(report: ReadReport, kind: str) -> str:
    return next(problem.detail for problem in report.problems if problem.kind == kind)


def test_ten_coins_hourly() -> None:
    market, report = read_market([REAL / "xasset10_spot_1h_to_2025-06.csv.gz"])
    assert len(market) == 10
    assert report.bars == 520_880
    assert report.interval == pd.Timedelta("1h")
    assert report.last == pd.Timestamp("2025-07-01 00:00", tz="UTC")
    assert counts(report, "gap")["BTCUSDT"] == 27
    assert not report.has_defects()
    assert "trades" in market["BTCUSDT"].frame


def test_daily_fat_finger_is_reported_and_kept() -> None:
    market, report = read_market([REAL / "xasset10_spot_1d_to_2025-06.csv.gz"])
    assert counts(report, "outlier") == {"LINKUSDT": 1}
    assert market["LINKUSDT"].frame["low"].min() == 0.0001


def test_outage_and_dead_bars_of_early_spot() -> None:
    market, report = read_market([REAL / "btcusdt_spot_1m_2017-08_2018-07.csv.gz"])
    assert counts(report, "gap") == {"BTCUSDT": 11}
    assert detail(report, "gap").startswith("missing bars 3,891, at most 2,011 in a row")
    assert counts(report, "dead") == {"BTCUSDT": 23_634}
    assert len(market["BTCUSDT"].segments()) == 12


@pytest.mark.parametrize("coin", ["btc", "eth"])
def test_gap_free_futures_with_taker_volume(coin: str) -> None:
    market, report = read_market([REAL / f"{coin}usdt_um_1m_2022-10_2023-03.csv.gz"])
    frame = market[f"{coin.upper()}USDT"].frame
    assert list(frame.columns[5:]) == ["trades", "taker_buy_volume"]
    assert len(frame) == 262_080
    assert report.problems == ()
    assert (frame["taker_buy_volume"] <= frame["volume"]).all()


def test_fifteen_minutes_resampled_to_hours_agree_with_the_hourly_file() -> None:
    fine, _ = read_market([REAL / "xasset4_spot_15m_to_2025-06.csv.gz"], resample="1h", symbols=["BTCUSDT"])
    hourly, _ = read_market([REAL / "xasset10_spot_1h_to_2025-06.csv.gz"], symbols=["BTCUSDT"])
    made, published = fine["BTCUSDT"].frame, hourly["BTCUSDT"].frame
    both = made.index.intersection(published.index)
    assert len(both) > 21_000
    np.testing.assert_array_equal(made.loc[both, ["open", "high", "low", "close"]], published.loc[both].iloc[:, :4])
    np.testing.assert_allclose(made.loc[both, "volume"], published.loc[both, "volume"], rtol=1e-9)
    np.testing.assert_array_equal(made.loc[both, "trades"], published.loc[both, "trades"])


@pytest.mark.parametrize(
    "name", ["btc_eth_bnb_spot_1m_2021-04_2021-06.csv.gz", "btc_eth_bnb_um_1m_2025-05_2025-06.csv.gz"]
)
def test_three_coins_by_minute(name: str) -> None:
    market, report = read_market([REAL / name])
    assert sorted(market) == ["BNBUSDT", "BTCUSDT", "ETHUSDT"]
    assert report.interval == pd.Timedelta("1min")


def test_two_overlapping_downloads() -> None:
    path = REAL / "dirty_bnb_um_1m_2025_naive_concat.csv.gz"
    with pytest.raises(
        DataError, match=r"row 43201 .*backward jumps in time: 1.*repeating a bar exactly: 13,259.*sort$"
    ):
        read_market([path])
    market, report = read_market([path], repair="sort")
    assert report.bars == 86_398 - 13_259
    (candles,) = market.values()
    clean, _ = read_market([REAL / "btc_eth_bnb_um_1m_2025-05_2025-06.csv.gz"], symbols=["BNBUSDT"])
    both = candles.frame.index.intersection(clean["BNBUSDT"].frame.index)
    np.testing.assert_array_equal(candles.frame.loc[both], clean["BNBUSDT"].frame.loc[both])


def test_bars_off_the_grid() -> None:
    path = REAL / "dirty_bnbusdt_spot_1h_2017-11_2021-07_offgrid.csv.gz"
    for mode in ("strict", "sort"):
        with pytest.raises(DataError, match=r"bars off the interval's grid: 43.*data\.repair: drop"):
            read_market([path], repair=mode)
    market, report = read_market([path], repair="drop")
    assert report.bars == 31_940 - 43
    assert set(counts(report, "gap").values()) == {24}
    (candles,) = market.values()
    json_market, _ = read_market([REAL / "raw/freqtrade/BNB_USDT-1h.json"], repair="drop")
    pd.testing.assert_frame_equal(candles.frame, json_market["BNBUSDT"].frame)
    assert inspect_files([path]).has_defects()


def test_binance_spot_folder_turns_from_ms_to_us() -> None:
    market, report = read_market([REAL / "raw/binance-spot-daily-csv"])
    assert list(market) == ["BTCUSDT"]
    turn = pd.Timestamp("2025-01-01", tz="UTC")
    around = market["BTCUSDT"].frame.loc[turn - pd.Timedelta("5min") : turn + pd.Timedelta("5min")]
    assert len(around) == 11
    assert {"times in ms (12 files)", "times in µs (4 files)"} <= set(report.notes)
    outage = [problem for problem in report.problems if problem.kind == "gap"]
    assert outage[0].first_time == pd.Timestamp("2018-02-08 00:29", tz="UTC")


def test_binance_futures_folder_with_and_without_headers() -> None:
    market, report = read_market([REAL / "raw/binance-futures-daily-csv"])
    assert {symbol: len(candles) for symbol, candles in market.items()} == {"BTCUSDT": 8640, "ETHUSDT": 8640}
    assert report.problems == ()


def test_freqtrade_files() -> None:
    market, _ = read_market([REAL / "raw/freqtrade/XRP_ETH-1m.feather"])
    assert market["XRPETH"].frame.index[0] == pd.Timestamp("2019-10-11 00:01", tz="UTC")
    market, _ = read_market([REAL / "raw/freqtrade/UNITTEST_BTC-8m.json.gz"])
    assert len(market["UNITTESTBTC"]) == 13_681
    with pytest.raises(DataError, match="expected bars of 1h"):
        read_market([REAL / "raw/freqtrade"])
    market, report = read_market([REAL / "raw/freqtrade"], symbols=["XRP/ETH"])
    assert [Path(entry.path).name for entry in report.skipped] == ["XRP_ETH-trades.json.gz"]


def test_zips_of_headerless_csv() -> None:
    market, report = read_market([REAL / "raw/lean"])
    assert sorted(market) == ["AAPL", "BTCUSD", "SPY"]
    assert report.interval == pd.Timedelta("1D")
    # Bid and ask side by side are no candles, and are not taken for some.
    assert [Path(entry.path).name for entry in report.skipped] == ["eurusd.zip:eurusd.csv"]


@pytest.mark.parametrize("name", ["btc_lob_15levels_1m.csv.gz", "hft_small_BTC_L2_5levels_reassembled.csv.gz"])
def test_order_books_are_no_candles(name: str) -> None:
    with pytest.raises(DataError, match="expected columns open, high, low, close"):
        read_market([REAL / "raw/orderbook" / name])
