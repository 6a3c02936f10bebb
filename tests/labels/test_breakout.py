"""Breakout labels against a slow trade-by-trade reference, the laws of causality, and the synthetic martingale."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstack.candles.market import Candles, Market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.errors import DataError
from deepstack.labels.breakout import find_breakouts, label_and_count, label_breakouts
from deepstack.labels.trades import TRADE_COLUMNS

REAL = Path(__file__).resolve().parents[2] / "../shared/data"
HOUR = pd.Timedelta("1h")
SHORT = LabelsConfig(channel_bars=5, atr_bars=4, stop_atr=1.0, target_r=1.2, max_holding_bars=6)


def candles_of(rows: np.ndarray, missing: tuple[int, ...] = (), symbol: str = "AAA") -> Candles:
    """Candles from [bars, open high low close], less the missing rows."""
    index = pd.date_range("2024-01-01 01:00", periods=len(rows), freq="h", tz="UTC", name="close_time").as_unit("ms")
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close"], index=index).assign(volume=1.0)
    return Candles(symbol, HOUR, frame.drop(frame.index[list(missing)]))


def random_walk(seed: int, bars: int = 400) -> np.ndarray:
    """Bars on a coarse price grid with opening gaps, so that ties, touches and jumps over a level all happen."""
    rng = np.random.default_rng(seed)
    rows = np.empty((bars, 4))
    price = 100.0
    for row in rows:
        open_ = price + rng.integers(-1, 2) * 0.5
        path = np.round(open_ + np.cumsum(rng.normal(0.0, 0.8, 4)), 1)
        row[:] = open_, max(open_, path.max()), min(open_, path.min()), path[-1]
        price = path[-1]
    return rows + max(0.0, 5.0 - rows.min())


def label_slowly(candles: Candles, config: LabelsConfig) -> list[tuple]:
    """The rules in words, one trade at a time: (decision row, side, risk, bars held, exit, exit price)."""
    trades = []
    for segment in candles.segments():
        o, h, l, c = candles.frame[["open", "high", "low", "close"]].to_numpy()[segment].T  # noqa: E741
        for t in range(max(config.channel_bars, config.atr_bars), len(c)):
            side = 0
            if c[t] > h[t - config.channel_bars : t].max() and config.direction != "short":
                side = 1
            if c[t] < l[t - config.channel_bars : t].min() and config.direction != "long":
                side = -1
            ranges = [max(h[i], c[i - 1]) - min(l[i], c[i - 1]) for i in range(t - config.atr_bars + 1, t + 1)]
            risk = config.stop_atr * np.mean(ranges)
            if side == 0 or risk <= 0 or t + 1 >= len(c):
                continue
            stop, target = o[t + 1] - side * risk, o[t + 1] + side * config.target_r * risk
            for held, i in enumerate(range(t + 1, min(t + 1 + config.max_holding_bars, len(c))), start=1):
                worst, best = (l[i], h[i]) if side == 1 else (h[i], l[i])
                if side * worst <= side * stop:
                    fill = min(stop, o[i]) if side == 1 else max(stop, o[i])
                    trades.append((segment.start + t, side, risk, held, "stop", fill))
                elif side * best >= side * target:
                    trades.append((segment.start + t, side, risk, held, "target", target))
                elif held == config.max_holding_bars:
                    trades.append((segment.start + t, side, risk, held, "time", c[i]))
                else:
                    continue
                break
    return trades


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    direction=st.sampled_from(["both", "long", "short"]),
    missing=st.sets(st.integers(5, 390), max_size=4),
)
def test_equals_the_slow_reference(seed: int, direction: str, missing: set[int]) -> None:
    config = SHORT.model_copy(update={"direction": direction})
    candles = candles_of(random_walk(seed), tuple(missing))
    expected = label_slowly(candles, config)
    trades = label_breakouts({"AAA": candles}, config)
    times = candles.frame.index
    assert [times.get_loc(t) for t in trades["decision_time"]] == [row for row, *_ in expected]
    assert trades["side"].tolist() == [side for _, side, *_ in expected]
    np.testing.assert_allclose(trades["risk"], [risk for _, _, risk, *_ in expected], rtol=1e-12)
    assert trades["end_time"].tolist() == [times[row + held] for row, _, _, held, *_ in expected]
    assert trades["exit"].tolist() == [exit_ for *_, exit_, _ in expected]
    np.testing.assert_allclose(trades["exit_price"], [price for *_, price in expected], rtol=1e-12)


def test_columns_types_and_costs() -> None:
    trades = label_breakouts({"AAA": candles_of(random_walk(1))}, SHORT)
    assert list(trades.columns) == list(TRADE_COLUMNS)
    for column, meaning in TRADE_COLUMNS.items():
        assert str(trades[column].dtype) == meaning.split(",")[0].replace("datetime64[ms", "datetime64[ms, UTC]")
    gross = trades["side"] * (trades["exit_price"] - trades["entry_price"]) / trades["risk"]
    cost = 7e-4 * (trades["entry_price"] + trades["exit_price"]) / trades["risk"]
    np.testing.assert_allclose(trades["gross_r"], gross)
    np.testing.assert_allclose(trades["net_r"], gross - cost)
    assert (trades["won"] == (trades["net_r"] > 0)).all()
    assert (trades["entry_time"] == trades["decision_time"]).all()
    assert (trades["end_time"] > trades["entry_time"]).all()


def test_order_is_by_decision_time_then_symbol() -> None:
    market = {s: candles_of(random_walk(k), symbol=s) for k, s in enumerate(["BBB", "AAA", "CCC"])}
    trades = label_breakouts(market, SHORT)
    keys = list(zip(trades["decision_time"], trades["symbol"], strict=True))
    assert keys == sorted(keys) and trades.index.equals(pd.RangeIndex(len(trades)))


# Eight bars of range 2 at 100, then a breakout; SHORT risks one ATR.
BASE = [[100.0, 101.0, 99.0, 100.0]] * 8 + [[100.0, 103.0, 100.0, 103.0]]


@pytest.mark.parametrize(
    ("later", "exit_", "gross_r"),
    [
        ([[103, 110, 90, 100]], "stop", -1.0),  # both in one bar: the stop wins
        ([[103, 104, 102, 103], [95, 96, 94, 95]], "stop", -8 / 2.25),  # opens below the stop: fills at the open
        ([[103, 104, 102, 103], [110, 111, 109, 110]], "target", 1.2),  # opens above the target: fills at the target
        ([[103, 103.5, 102.5, 103]] * 5 + [[103, 104, 102, 103.9]], "time", 0.9 / 2.25),
        ([[103, 103, 100.75, 102]], "stop", -1.0),  # touching the stop is enough, in the entry bar too
    ],
)
def test_fills(later: list, exit_: str, gross_r: float) -> None:
    quiet = [[later[-1][3]] * 4] * 2
    lost = [[200.0, 201.0, 199.0, 200.0]] * 8 + [[200.0, 204.0, 200.0, 204.0], [204.0, 204.0, 150.0, 150.0]]
    won = [[200.0, 201.0, 199.0, 200.0]] * 8 + [[200.0, 204.0, 200.0, 204.0], [204.0, 250.0, 204.0, 250.0]]
    market = {"AAA": candles_of(np.array(BASE + later + quiet, float))}
    market |= {s: candles_of(np.array(r), symbol=s) for s, r in (("LOST", lost), ("WON", won))}
    trades = label_breakouts(market, SHORT.model_copy(update={"direction": "long"}))
    trade = trades[trades["symbol"] == "AAA"].iloc[0]
    assert trade["risk"] == pytest.approx((3 * 2.0 + 3.0) / 4)
    assert trade["exit"] == exit_
    assert trade["gross_r"] == pytest.approx(gross_r)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(50, 350))
def test_candidates_and_risk_know_nothing_of_later_bars(seed: int, cut: int) -> None:
    rows = random_walk(seed)
    changed = np.concatenate([rows[:cut], random_walk(seed + 1)[cut:]])
    before, after = (find_breakouts(candles_of(r), SHORT) for r in (rows, changed))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old[before[0] < cut], new[after[0] < cut])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(100, 350))
def test_outcome_knows_nothing_of_bars_after_its_end(seed: int, cut: int) -> None:
    rows = random_walk(seed)
    changed = np.concatenate([rows[:cut], random_walk(seed + 1)[cut:]])
    before, after = (label_breakouts({"AAA": candles_of(r)}, SHORT) for r in (rows, changed))
    known = candles_of(rows).frame.index[cut - 1]
    pd.testing.assert_frame_equal(before[before["end_time"] <= known], after[after["end_time"] <= known])


def test_what_a_gap_or_the_end_leaves_open_is_counted() -> None:
    rows = random_walk(4)
    candles = candles_of(rows, missing=(100, 200, 300))
    trades, dropped = label_and_count({"AAA": candles}, SHORT)
    candidates, _, risk = find_breakouts(candles, SHORT)
    assert (risk > 0).all()
    assert dropped == len(candidates) - len(trades) > 0


def test_no_breakout_and_one_class_are_errors() -> None:
    still = candles_of(np.full((100, 4), 100.0))
    with pytest.raises(DataError, match="none in 100 bars"):
        label_breakouts({"AAA": still}, SHORT)
    with pytest.raises(DataError, match="none in 0 bars"):
        label_breakouts({}, SHORT)
    rising = np.cumsum(np.ones(200))[:, None] + np.array([100.0, 101.0, 99.9, 101.0])
    with pytest.raises(DataError, match="all won"):
        label_breakouts({"AAA": candles_of(rising)}, SHORT.model_copy(update={"fee_bps": 0.0, "slippage_bps": 0.0}))


def test_too_short_a_segment_gives_no_candidate() -> None:
    rows, side, risk = find_breakouts(candles_of(random_walk(6)[:5]), SHORT)
    assert len(rows) == len(side) == len(risk) == 0


def test_breakouts_of_a_martingale_earn_nothing_before_costs() -> None:
    config = LabelsConfig()
    means = [
        label_breakouts(make_market(SyntheticConfig(symbols=64, bars=2000, edge=0.0), seed), config)["gross_r"].mean()
        for seed in range(8)
    ]
    assert abs(np.mean(means)) < 3.0 * np.std(means, ddof=1) / np.sqrt(len(means)) + 0.003


def test_real_candles() -> None:
    path = REAL / "xasset10_spot_1h_to_2025-06.csv.gz"
    if not path.exists():
        pytest.skip(f"real candles not found at {path}")
    market: Market = {}
    for symbol, rows in pd.read_csv(path).groupby("symbol"):
        times = pd.to_datetime(rows["open_time"] + 3_600_000, unit="ms", utc=True)
        index = pd.DatetimeIndex(times, name="close_time").as_unit("ms")
        frame = rows[["open", "high", "low", "close", "volume"]].astype(float).set_index(index)
        market[str(symbol)] = Candles(str(symbol), HOUR, frame)
    trades, dropped = label_and_count(market, LabelsConfig())
    assert 0.06 < len(trades) / sum(len(c) for c in market.values()) < 0.12
    assert dropped > 0
    assert (trades["end_time"] - trades["entry_time"] <= 24 * HOUR).all()
    btc = market["BTCUSDT"]
    part = replace(btc, frame=btc.frame.iloc[:6000])
    fast = label_breakouts({"BTCUSDT": part}, LabelsConfig())
    slow = label_slowly(part, LabelsConfig())
    assert fast["exit"].tolist() == [exit_ for *_, exit_, _ in slow]
    np.testing.assert_allclose(fast["exit_price"], [price for *_, price in slow], rtol=1e-12)
