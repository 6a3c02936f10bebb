"""Where the bar's close stands in the hour, day, week, month and year, UTC; and which sessions are open."""

import math
from collections.abc import Callable

import numpy as np

from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

Phase = Callable[[Bars], np.ndarray]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday of the epoch
FUNDING_MS = 8 * HOUR_MS


def _phase(bars: Bars, period_ms: int, origin_ms: int = 0) -> np.ndarray:
    """Share of the period that has passed, in [0, 1)."""
    return ((bars.close_ms - origin_ms) % period_ms) / period_ms


def _hour(bars: Bars) -> np.ndarray:
    return bars.once("hour", lambda: 24.0 * _phase(bars, DAY_MS))


def _weekday(bars: Bars) -> np.ndarray:
    """0.0 at Monday 00:00 … 7.0 excluded."""
    return bars.once("weekday", lambda: 7.0 * _phase(bars, WEEK_MS, MONDAY_MS))


def _within(bars: Bars, unit: str) -> np.ndarray:
    """Share of the calendar month (`M`) or year (`Y`) that has passed."""

    def compute() -> np.ndarray:
        months = bars.close_ms.astype("datetime64[ms]").astype(f"datetime64[{unit}]")
        start = months.astype("datetime64[ms]").astype(np.int64)
        end = (months + 1).astype("datetime64[ms]").astype(np.int64)
        return (bars.close_ms - start) / (end - start)

    return bars.once(("within", unit), compute)


def _clock(name: str, what: str, phase: Phase) -> tuple[Feature, Feature]:
    return (
        Feature(f"{name}_sin", f"sin(2 pi x {what})", "cycle", 1, lambda b: np.sin(2.0 * math.pi * phase(b))),
        Feature(f"{name}_cos", f"cos(2 pi x {what})", "cycle", 1, lambda b: np.cos(2.0 * math.pi * phase(b))),
    )


def _hours(name: str, first: float, last: float) -> Feature:
    """Close times in (first, last]: the bar that closes at the opening bell lies wholly before the session."""
    return Feature(
        f"session_{name}",
        f"1 if the bar closes after {first:04.1f} h and no later than {last:04.1f} h UTC, Monday to Friday, else 0",
        "flag",
        1,
        lambda b: ((_hour(b) > first) & (_hour(b) <= last) & (_weekday(b) < 5.0)).astype(float),
    )


def _days(name: str, what: str, first: float, last: float) -> Feature:
    return Feature(
        name,
        f"1 if the bar closes {what}, UTC, else 0",
        "flag",
        1,
        lambda b: ((_weekday(b) >= first) & (_weekday(b) < last)).astype(float),
    )


FEATURES: tuple[Feature, ...] = (
    *_clock("minute_of_hour", "share of the hour passed", lambda b: _phase(b, HOUR_MS)),
    *_clock("hour_of_day", "share of the day passed", lambda b: _phase(b, DAY_MS)),
    *_clock("half_day", "share of the half day passed", lambda b: _phase(b, DAY_MS // 2)),
    *_clock(
        "funding_period", "share of the 8 hours between perpetual funding times passed", lambda b: _phase(b, FUNDING_MS)
    ),
    *_clock("day_of_week", "share of the week passed, from Monday", lambda b: _phase(b, WEEK_MS, MONDAY_MS)),
    *_clock("day_of_month", "share of the month passed", lambda b: _within(b, "M")),
    *_clock("day_of_year", "share of the year passed", lambda b: _within(b, "Y")),
    _hours("asia", 0.0, 8.0),
    _hours("europe", 7.0, 15.5),
    _hours("us", 13.5, 20.0),
    _hours("europe_us_overlap", 13.5, 15.5),
    _days("weekend", "on Saturday or Sunday", 5.0, 7.0),
    _days("monday", "on Monday", 0.0, 1.0),
    _days("friday", "on Friday", 4.0, 5.0),
    Feature(
        "month_edge",
        "1 in the first or last tenth of the month, else 0",
        "flag",
        1,
        lambda b: (np.abs(_within(b, "M") - 0.5) > 0.4).astype(float),
    ),
)
