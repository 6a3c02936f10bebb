"""Coarse bars equal their definition, bar by bar, and none is made across a missing bar."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstack.candles.market import Candles
from deepstack.candles.resample import resample
from deepstack.candles.times import close_index
from deepstack.errors import DataError

HOUR_MS = 3_600_000
HOUR = pd.Timedelta("1h")
START_MS = 1_735_689_600_000  # midnight


def hourly(n: int, start_ms: int = START_MS, missing: frozenset[int] = frozenset()) -> Candles:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        rng.uniform(1, 2, (n, 6)), columns=["open", "high", "low", "close", "volume", "trades"]
    ).set_index(close_index(start_ms + HOUR_MS * np.arange(1, n + 1)))
    return Candles("X", HOUR, frame[[i not in missing for i in range(n)]])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.frozensets(st.integers(0, 59), max_size=5), st.sampled_from([2, 3, 4, 24]))
def test_against_the_definition(offset: int, missing: frozenset[int], ratio: int) -> None:
    fine = hourly(60, START_MS + HOUR_MS * offset, missing)
    coarse_ms = ratio * HOUR_MS
    expected = {}
    for start in range(START_MS, START_MS + 100 * HOUR_MS, coarse_ms):
        inside = [pd.Timestamp(start + HOUR_MS * i, unit="ms", tz="UTC") for i in range(1, ratio + 1)]
        if all(time in fine.frame.index for time in inside):
            bars = fine.frame.loc[inside]
            expected[inside[-1]] = [
                *(bars["open"].iloc[0], bars["high"].max(), bars["low"].min(), bars["close"].iloc[-1]),
                *(bars["volume"].sum(), bars["trades"].sum()),
            ]
    if not expected:
        with pytest.raises(DataError, match="without a gap"):
            resample(fine, pd.Timedelta(coarse_ms, "ms"))
        return
    coarse = resample(fine, pd.Timedelta(coarse_ms, "ms"))
    assert coarse.frame.index.tolist() == list(expected)
    np.testing.assert_allclose(coarse.frame.to_numpy(), list(expected.values()), rtol=1e-14)
    assert str(coarse.frame.index.dtype) == "datetime64[ms, UTC]"
    assert coarse.frame.index.name == "close_time"


def test_a_coarse_bar_knows_nothing_after_its_close() -> None:
    fine = hourly(48)
    cut = fine.frame.index[29]
    noisy = fine.frame.copy()
    noisy.loc[noisy.index > cut] = 7.0
    before = resample(fine, 4 * HOUR).frame
    after = resample(Candles("X", HOUR, noisy), 4 * HOUR).frame
    pd.testing.assert_frame_equal(before[before.index <= cut], after[after.index <= cut])


def test_in_two_steps_or_one() -> None:
    fine = hourly(24 * 5, missing=frozenset({50}))
    twice = resample(resample(fine, 4 * HOUR), 24 * HOUR).frame
    pd.testing.assert_frame_equal(twice, resample(fine, 24 * HOUR).frame, rtol=1e-14)


def test_the_same_interval_changes_nothing() -> None:
    fine = hourly(5)
    assert resample(fine, HOUR) is fine


@pytest.mark.parametrize("interval", ["90min", "15min"])
def test_only_upward_to_a_multiple(interval: str) -> None:
    with pytest.raises(DataError, match=r"data\.resample \(X\): expected a multiple of the bars' 1h"):
        resample(hourly(5), pd.Timedelta(interval))


def test_bars_that_straddle_the_clock_are_refused() -> None:
    with pytest.raises(DataError, match="whole multiples"):
        resample(hourly(50, START_MS + HOUR_MS // 2), 4 * HOUR)
