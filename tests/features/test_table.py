"""The feature table: gaps, chunks, threads, look-up, serving, and what it refuses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles, Market
from deepstack.config.features import FeaturesConfig
from deepstack.errors import ConfigError, DataError
from deepstack.features import catalogue, table
from deepstack.features._market import bars_of
from deepstack.features.table import latest_row, make_table

NAMES = ("return_5", "breakout_20", "atr_fraction_14", "hour_of_day_sin", "distance_sma_200")
WARMUP = max(catalogue.FEATURES[name].lookback_bars for name in NAMES) - 1


def candles(symbol: str, bars: int, seed: int, gaps: tuple[int, ...] = (), **columns: np.ndarray) -> Candles:
    """A random walk; before each bar of `gaps` three hours are missing."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.normal(size=bars)))
    open_ = np.concatenate(([100.0], close[:-1]))
    hours = np.arange(bars) + 3 * np.searchsorted(gaps, np.arange(bars), side="right")
    index = pd.DatetimeIndex(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"), name="close_time")
    frame: dict[str, Any] = {
        "open": open_,
        "high": np.maximum(open_, close) * 1.002,
        "low": np.minimum(open_, close) * 0.998,
        "close": close,
        "volume": rng.lognormal(size=bars),
        **columns,
    }
    return Candles(symbol, pd.Timedelta("1h"), pd.DataFrame(frame, index=index.as_unit("ms")))


def market(*members: Candles) -> Market:
    return {member.symbol: member for member in members}


def until(whole: Market, time: pd.Timestamp) -> Market:
    return {name: Candles(name, c.interval, c.frame.loc[:time]) for name, c in whole.items()}


@pytest.fixture
def two() -> Market:
    return market(candles("AAA", 1500, 1, gaps=(400, 500, 1100)), candles("BBB", 900, 2))


def test_rows_are_the_bars_whose_warm_up_is_complete(two: Market) -> None:
    made = make_table(two, names=NAMES)
    assert made.warmup_bars == WARMUP and made.names == NAMES
    runs = [(s, slice_) for s in two for slice_ in two[s].segments()]
    kept = [max(r.stop - r.start - WARMUP, 0) for _, r in runs]
    assert kept[1] == 0, "the run of 100 bars is shorter than the warm-up"
    assert len(made) == sum(kept) == len(made.times) == len(made.symbol) == len(made.segment)
    assert made.values.dtype == np.float32 and made.values.flags.c_contiguous and np.isfinite(made.values).all()
    assert np.unique(made.segment).tolist() == [i for i, n in enumerate(kept) if n]
    row = 0
    for (symbol, run), count in zip(runs, kept, strict=True):
        if not count:
            continue
        bars = bars_of(two, symbol).part(run)
        for j, name in enumerate(NAMES):
            expected = catalogue.FEATURES[name].compute(bars)[WARMUP:].astype(np.float32)
            np.testing.assert_array_equal(made.values[row : row + count, j], expected)
        np.testing.assert_array_equal(made.times[row : row + count].astype(np.int64), bars.close_ms[WARMUP:])
        assert {made.symbols[code] for code in made.symbol[row : row + count]} == {symbol}
        row += count


def test_chunks_and_threads_change_no_bit(two: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_table(two)
    monkeypatch.setattr(table, "CHUNK_BARS", 97)
    told: list[tuple[int, int]] = []
    pieces = make_table(two, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(pieces.values, whole.values)
    assert told[-1] == (len(whole), len(whole)) and len(told) > 5


def test_cutting_the_market_cuts_the_table_and_changes_no_bit(two: Market) -> None:
    whole = make_table(two)
    for time in (pd.Timestamp("2024-01-25 07:00", tz="UTC"), pd.Timestamp("2024-02-20", tz="UTC")):
        part = make_table(until(two, time))
        rows = whole.locate([part.symbols[code] for code in part.symbol], part.times)
        assert (rows >= 0).all() and len(part) == (whole.times <= np.datetime64(time.tz_localize(None))).sum()
        np.testing.assert_array_equal(part.values, whole.values[rows])


def test_serving_gives_the_row_of_the_table(two: Market) -> None:
    whole = make_table(two)
    for row in (0, 17, len(whole) - 1):
        symbol = whole.symbols[whole.symbol[row]]
        now = pd.Timestamp(whole.times[row], tz="UTC")
        window = {name: Candles(name, c.interval, c.frame.loc[:now].iloc[-600:]) for name, c in two.items()}
        served = latest_row(window, symbol, whole.names)
        assert served.dtype == np.float32
        np.testing.assert_allclose(served, whole.values[row], rtol=2e-6, atol=2e-6)


def test_serving_refuses_a_window_that_is_too_short(two: Market) -> None:
    short = {name: Candles(name, c.interval, c.frame.iloc[-40:]) for name, c in two.items()}
    with pytest.raises(DataError, match=f"expected {WARMUP + 1} bars without a gap.*received 40"):
        latest_row(short, "AAA", NAMES)
    with pytest.raises(DataError, match="ZZZ"):
        latest_row(short, "ZZZ", NAMES)


def test_locate_finds_each_pair_and_owns_up_to_absence(two: Market) -> None:
    made = make_table(two, names=NAMES)
    rows = np.array([5, len(made) - 1, 0])
    symbols = [made.symbols[code] for code in made.symbol[rows]]
    times = pd.Series(pd.to_datetime(made.times[rows], utc=True))
    np.testing.assert_array_equal(made.locate(symbols, times), rows)
    np.testing.assert_array_equal(made.locate(pd.Series(symbols), made.times[rows]), rows)
    minute = pd.Timedelta("1min")
    np.testing.assert_array_equal(made.locate(symbols, times + minute), [-1, -1, -1])
    np.testing.assert_array_equal(made.locate(["ZZZ"] * 3, times), [-1, -1, -1])


def test_the_last_closed_bar_is_that_of_a_search_and_none_where_it_is_missing(two: Market) -> None:
    made = make_table(two, names=NAMES)
    hour, clock = pd.Timedelta("1h"), pd.DatetimeIndex(pd.to_datetime(made.times, utc=True))
    rng = np.random.default_rng(3)
    asked = clock[rng.integers(0, len(made), 300)] + pd.to_timedelta(rng.integers(-90, 300, 300), unit="min")
    symbols = rng.choice([*two, "ZZZ"], 300)
    expected = []
    for symbol, time in zip(symbols, asked, strict=True):
        mine = np.array([made.symbols[code] == symbol for code in made.symbol])
        fresh = np.flatnonzero(mine & (clock <= time) & (clock > time - hour))
        expected.append(fresh[-1] if len(fresh) else -1)
    np.testing.assert_array_equal(made.locate_last(symbols, asked, hour), expected)
    assert 50 < np.sum(np.array(expected) == -1) < 250


def test_peers_are_returns_over_the_same_bar_and_never_across_a_gap(two: Market) -> None:
    peers = bars_of(two, "BBB").peers
    assert peers is not None and peers.shape == (900, 1)
    close, clock = two["AAA"].frame["close"], two["BBB"].frame.index
    expected = np.log(close / close.shift(1))
    expected[close.index.to_series().diff() != pd.Timedelta("1h")] = np.nan
    np.testing.assert_array_equal(peers[:, 0], expected.reindex(clock).to_numpy())
    assert np.isnan(peers[[0, 400, 401, 402, 403]]).all() and not np.isnan(peers[404]).any()
    np.testing.assert_array_equal(bars_of(two, "BBB", tail=50).peers, peers[-50:])


def test_features_whose_needs_are_absent_are_left_out_unless_asked_for(two: Market) -> None:
    alone = market(candles("AAA", 700, 1))
    assert "cross_asset" not in {catalogue.GROUP_OF[name] for name in make_table(alone).names}
    with pytest.raises(DataError, match="second symbol"):
        make_table(alone, FeaturesConfig(groups=("cross_asset",)))
    needy = next(f.name for f in catalogue.FEATURES.values() if f.needs == ("trades",))
    with pytest.raises(DataError, match=f"{needy}.*column trades"):
        make_table(two, names=[needy])
    with_trades = market(candles("AAA", 700, 1, trades=np.full(700, 5.0)))
    assert needy in make_table(with_trades).names


def test_config_chooses_groups_and_excludes_names(two: Market) -> None:
    made = make_table(two, FeaturesConfig(groups=("calendar", "price"), exclude=("return_5",)))
    assert {catalogue.GROUP_OF[name] for name in made.names} == {"calendar", "price"}
    assert "return_5" not in made.names
    with pytest.raises(ConfigError, match="'price'"):
        make_table(two, FeaturesConfig(groups=("prices",)))
    with pytest.raises(ConfigError, match="'return_5'"):
        make_table(two, FeaturesConfig(exclude=("retrun_5",)))


def test_too_few_bars_says_how_many_are_needed() -> None:
    with pytest.raises(DataError, match=f"at least {WARMUP + 1} bars of 1h without.*longest run of 120"):
        make_table(market(candles("AAA", 200, 1, gaps=(80,))), names=NAMES)
    with pytest.raises(DataError, match="longest run of 0"):
        make_table({}, names=NAMES)
