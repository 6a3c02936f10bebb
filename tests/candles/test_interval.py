"""Intervals as text and as found."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstack.candles.interval import interval_ms, interval_text, most_common_step_ms, parse_interval, phase_ms
from deepstack.errors import DataError


@given(st.integers(1, 10**10))
def test_text_round_trip(length_ms: int) -> None:
    interval = pd.Timedelta(length_ms, "ms")
    assert parse_interval(interval_text(interval), "x") == interval
    assert interval_ms(interval) == length_ms


@pytest.mark.parametrize(("text", "ms"), [("1min", 60_000), ("15m", 900_000), ("4h", 14_400_000), ("1D", 86_400_000)])
def test_spellings(text: str, ms: int) -> None:
    assert interval_ms(parse_interval(text, "x")) == ms


@pytest.mark.parametrize("text", ["", "often", "-1h", "0min", "1us", "NaT"])
def test_no_interval(text: str) -> None:
    with pytest.raises(DataError, match=r"data\.resample: expected an interval"):
        parse_interval(text, "data.resample")


def test_most_common_step_and_phase() -> None:
    times = np.array([50, 10, 20, 30, 30, 73])
    assert most_common_step_ms(times) == (10, 2)
    assert most_common_step_ms(np.array([7, 7])) is None
    assert phase_ms(times, 10) == 0
