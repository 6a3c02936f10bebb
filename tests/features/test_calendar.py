"""Calendar features at moments whose date is known."""

import numpy as np
import pandas as pd
import pytest

from deepstack.features import calendar
from deepstack.features.bars import Bars

FEATURES = {feature.name: feature for feature in calendar.FEATURES}


def at(*moments: str) -> Bars:
    ms = pd.DatetimeIndex(moments, tz="UTC").as_unit("ms").asi8
    ones = np.ones(len(ms))
    return Bars(ones, ones, ones, ones, ones, ms, 60_000)


def value(name: str, *moments: str) -> list[float]:
    return FEATURES[name].compute(at(*moments)).tolist()


def test_clocks_are_angles_on_their_circle() -> None:
    assert value("hour_of_day_sin", "2024-03-06 06:00", "2024-03-06 18:00") == pytest.approx([1.0, -1.0])
    assert value("hour_of_day_cos", "2024-03-06 00:00", "2024-03-06 12:00") == pytest.approx([1.0, -1.0])
    assert value("minute_of_hour_sin", "2024-03-06 05:15", "2024-03-06 05:45") == pytest.approx([1.0, -1.0])
    assert value("day_of_week_cos", "2024-03-04 00:00", "2024-03-07 12:00") == pytest.approx([1.0, -1.0])
    assert value("funding_period_sin", "2024-03-06 02:00", "2024-03-06 16:00") == pytest.approx([1.0, 0.0], abs=1e-12)
    assert value("day_of_month_cos", "2024-02-01", "2024-02-15 12:00") == pytest.approx([1.0, -1.0])
    assert value("day_of_year_cos", "2023-01-01", "2023-07-02 12:00") == pytest.approx([1.0, -1.0])
    for name, feature in FEATURES.items():
        if name.endswith("_sin"):
            other = FEATURES[name.removesuffix("_sin") + "_cos"]
            bars = at("2021-11-30 23:59", "2020-02-29 13:37")
            np.testing.assert_allclose(feature.compute(bars) ** 2 + other.compute(bars) ** 2, 1.0)


def test_sessions_hold_the_bars_that_lie_in_them() -> None:
    opening, first, last, after = "2024-03-06 13:30", "2024-03-06 13:31", "2024-03-06 20:00", "2024-03-06 20:01"
    assert value("session_us", opening, first, last, after) == [0.0, 1.0, 1.0, 0.0]
    assert value("session_us", "2024-03-09 15:00") == [0.0], "Saturday"
    assert value("session_europe_us_overlap", "2024-03-06 14:00", "2024-03-06 16:00") == [1.0, 0.0]


def test_days() -> None:
    friday, saturday, sunday, monday = "2024-03-08 12:00", "2024-03-09 00:00", "2024-03-10 23:59", "2024-03-11 00:00"
    assert value("weekend", friday, saturday, sunday, monday) == [0.0, 1.0, 1.0, 0.0]
    assert value("friday", friday, saturday) == [1.0, 0.0]
    assert value("monday", sunday, monday) == [0.0, 1.0]
    assert value("month_edge", "2024-02-01", "2024-02-15", "2024-02-28") == [1.0, 0.0, 1.0]
