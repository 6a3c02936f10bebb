"""Sell, hold or buy against a slow reference in words, and the laws of causality."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstack.candles.market import Candles
from deepstack.config.labels import HorizonsConfig
from deepstack.errors import ConfigError, DataError
from deepstack.labels.horizons import decision_rows, horizon_bars, label_horizons

HOUR = pd.Timedelta("1h")
SHORT = HorizonsConfig(lengths=("1h", "4h"), dead_band=0.4, volatility_bars=10)


def candles_of(open_: np.ndarray, close: np.ndarray, missing: tuple[int, ...] = (), symbol: str = "AAA") -> Candles:
    """Hourly candles, less the missing rows."""
    index = pd.date_range("2024-01-01 01:00", periods=len(close), freq="h", tz="UTC", name="close_time").as_unit("ms")
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    frame = pd.DataFrame({"open": open_, "high": high, "low": low, "close": close, "volume": 1.0}, index=index)
    return Candles(symbol, HOUR, frame.drop(frame.index[list(missing)]))


def random_walk(seed: int, bars: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Opens, which differ from the close before them, and closes."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, bars)))
    return np.concatenate([[100.0], close[:-1]]) * np.exp(random.normal(0.0, 0.003, bars)), close


def label_slowly(candles: Candles, config: HorizonsConfig) -> tuple[list[tuple], int]:
    """The rules in words, one bar at a time: (decision row, [(R of a long, class) a horizon]); how many are open."""
    found, unknown = [], 0
    horizons = [pd.Timedelta(text) // HOUR for text in config.lengths]
    for segment in candles.segments():
        open_, close = candles.frame[["open", "close"]].to_numpy()[segment].T
        for t in range(config.volatility_bars, len(close)):
            hours = int(candles.frame.index[segment.start + t].timestamp()) // 3600
            if hours % config.every_bars:
                continue
            if t + max(horizons) >= len(close):
                unknown += 1
                continue
            deviation = np.diff(np.log(close[t - config.volatility_bars : t + 1])).std()
            answers = []
            for h in horizons:
                move = np.log(close[t + h] / open_[t + 1]) / (deviation * np.sqrt(h))
                answers.append((move, 2 if move > config.dead_band else 0 if move < -config.dead_band else 1))
            found.append((segment.start + t, answers))
    return found, unknown


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), every=st.integers(1, 5), missing=st.sets(st.integers(5, 195), max_size=4))
def test_equals_the_slow_reference(seed: int, every: int, missing: set[int]) -> None:
    config = SHORT.model_copy(update={"every_bars": every})
    candles = candles_of(*random_walk(seed), missing=tuple(missing))
    expected, unknown = label_slowly(candles, config)
    samples, dropped = label_horizons({"AAA": candles}, config)
    times = candles.frame.index
    rows = [times.get_loc(t) for t in samples["decision_time"]]
    assert (rows, dropped) == ([row for row, _ in expected], unknown)
    for k, (name, h) in enumerate((("1h", 1), ("4h", 4))):
        np.testing.assert_allclose(samples[f"gross_r_{name}"], [a[k][0] for _, a in expected], rtol=1e-9)
        assert samples[f"class_{name}"].tolist() == [a[k][1] for _, a in expected]
        assert samples[f"end_{name}"].tolist() == [times[row + h] for row in rows]
        # Straight through: a horizon of h bars takes h bars on the clock, so no gap lies inside it.
        assert (samples[f"end_{name}"] - samples["decision_time"] == h * HOUR).all()
    assert (samples["end_time"] == samples["end_4h"]).all()


def test_entry_is_the_open_of_the_next_bar() -> None:
    open_, close = random_walk(1)
    samples, _ = label_horizons({"AAA": candles_of(open_, close)}, SHORT)
    assert (samples["entry_time"] == samples["decision_time"]).all()
    np.testing.assert_array_equal(samples["entry_price"], open_[11:-3])
    np.testing.assert_array_equal(samples["exit_price_1h"], close[11:-3])
    np.testing.assert_allclose(
        samples["gross_r_4h"] * samples["risk_4h"], np.log(samples["exit_price_4h"] / samples["entry_price"])
    )
    np.testing.assert_allclose(samples["risk_4h"], 2.0 * samples["risk_1h"])


def test_the_dead_band_is_a_fraction_of_volatility() -> None:
    """A market that moves k times as much has the same answers; a wider band only turns moves into holds."""
    open_, close = random_walk(2)
    calm, wild = (
        label_horizons({"AAA": candles_of(np.exp(k * np.log(open_)), np.exp(k * np.log(close)))}, SHORT)[0]
        for k in (1.0, 5.0)
    )
    np.testing.assert_array_equal(calm["class_4h"], wild["class_4h"])
    wide = label_horizons({"AAA": candles_of(open_, close)}, SHORT.model_copy(update={"dead_band": 1.0}))[0]
    assert set(wide["class_4h"]) == {0, 1, 2}
    held = wide["class_4h"] == 1
    assert held.sum() > (calm["class_4h"] == 1).sum()
    np.testing.assert_array_equal(wide["class_4h"][~held], calm["class_4h"][~held])


@pytest.mark.parametrize("cut", [40, 97, 150])
def test_what_was_asked_depends_on_no_later_bar_and_the_answer_on_none_after_its_end(cut: int) -> None:
    candles = candles_of(*random_walk(3))
    rows, deviation = decision_rows(candles, SHORT)
    samples, _ = label_horizons({"AAA": candles}, SHORT)
    head = Candles("AAA", HOUR, candles.frame.iloc[: cut + 1])
    noise = candles.frame.copy()
    noise.iloc[cut + 1 :] *= np.random.default_rng(0).uniform(0.5, 2.0, (199 - cut, 5))
    for other in (head, Candles("AAA", HOUR, noise)):
        other_rows, other_deviation = decision_rows(other, SHORT)
        before, other_before = rows <= cut, other_rows <= cut
        np.testing.assert_array_equal(other_rows[other_before], rows[before])
        np.testing.assert_array_equal(other_deviation[other_before], deviation[before])
        again, _ = label_horizons({"AAA": other}, SHORT)
        ended = candles.frame.index[cut]
        pd.testing.assert_frame_equal(samples[samples["end_time"] <= ended], again[again["end_time"] <= ended])


def test_nothing_is_asked_where_the_price_stands_still() -> None:
    """A running sum of squares leaves a residue behind a burst; it must not pass for volatility."""
    for seed in range(20):
        open_, close = random_walk(seed)
        open_[60:120] = close[59:120] = close[59]
        rows, deviation = decision_rows(candles_of(open_, close), SHORT)
        still = np.arange(69, 120)  # the ten returns up to these bars are zero
        assert not np.isin(still, rows).any()
        assert np.isin(np.r_[10:69, 120:200], rows).all()
        assert deviation.min() > 1e-6


def test_symbols_are_sorted_by_time_then_name() -> None:
    market = {name: candles_of(*random_walk(seed), symbol=name) for seed, name in enumerate("BA")}
    samples, _ = label_horizons(market, SHORT)
    assert samples["symbol"].tolist() == ["A", "B"] * (len(samples) // 2)
    assert samples["decision_time"].is_monotonic_increasing
    assert samples.index.tolist() == list(range(len(samples)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lengths": ("1h", "150min")}, "multiples of the bars' 1h, received 150min — try 2h"),
        ({"lengths": ("5min",)}, "received 5min — try 1h"),
        ({"lengths": ("1h", "60min")}, "different horizons, received 1h, 60min"),
        ({"weights": (1.0,)}, "labels.horizons.weights: expected 2 positive weights"),
        ({"weights": (1.0, 0.0)}, "labels.horizons.weights: expected 2 positive weights"),
    ],
)
def test_horizons_that_do_not_fit_are_refused_in_one_line(changes: dict, message: str) -> None:
    config = SHORT.model_copy(update=changes)
    with pytest.raises(ConfigError) as caught:
        horizon_bars(config, HOUR)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_bars_are_named() -> None:
    with pytest.raises(DataError, match="bars with 10 bars before them and 4h after them, received none in 14 bars"):
        label_horizons({"AAA": candles_of(*random_walk(0, bars=14))}, SHORT)
