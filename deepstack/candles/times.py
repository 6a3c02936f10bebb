"""Times as files write them → milliseconds UTC: epochs in any unit, dates with and without a zone."""

import re

import numpy as np
import pandas as pd

from deepstack.errors import DataError

# A second count reaches 1e11 in the year 5138, a millisecond count passed it in 1973, and so on by thousands.
_MS_FROM, _US_FROM, _NS_FROM = 10**11, 10**14, 10**17
_EARLIEST_EPOCH = 10**8  # 1973: anything smaller is a row number or a price, not a time
_EARLIEST_MS, _LATEST_MS = -2_208_988_800_000, 7_258_118_400_000  # the years 1900 to 2199
_COMPACT_DATES = (19000101, 22001231)
_DAY_FIRST_DOTS = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")
_ZONE = re.compile(r"(Z|UTC|GMT|[+-]\d{2}:?\d{2})$", re.IGNORECASE)


def close_index(close_ms: np.ndarray) -> pd.DatetimeIndex:
    """int64 milliseconds UTC → the index of a candle frame."""
    return pd.DatetimeIndex(close_ms.astype("datetime64[ms]"), name="close_time").tz_localize("UTC")


def index_ms(index: pd.Index) -> np.ndarray:
    """A datetime index → int64 milliseconds UTC, fractions of a millisecond cut off."""
    return pd.DatetimeIndex(index).as_unit("ms").asi8


def parse_times(frame: pd.DataFrame, column: str, where: str, row: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The times of a table.

    Args:
        frame: has `column` and, when date and time of day stand apart, `time_of_day`.
        column: `open_time` or `close_time`.
        where: what messages call the table.
        row: int64 [rows], the number of each row.

    Returns:
        int64 [rows] milliseconds UTC, and notes. The unit of an epoch is decided for each value by its magnitude
        (s, ms, µs, ns), because exchanges changed it within one series. Dates without a zone are taken as UTC.
        Fractions of a millisecond are cut off.

    Raises:
        DataError: an empty or unreadable time, or one outside the years 1900 to 2199, with its row.
    """
    times = frame[column]
    if "time_of_day" in frame:
        times = _join(times, frame["time_of_day"])
    time_ms, notes = _to_ms(times, where, row)
    outside = (time_ms < _EARLIEST_MS) | (time_ms >= _LATEST_MS)
    if outside.any():
        raise _bad_time(times, outside, where, row)
    return time_ms, notes


def _to_ms(times: pd.Series, where: str, row: np.ndarray) -> tuple[np.ndarray, list[str]]:
    missing = times.isna().to_numpy()
    if missing.any():
        raise _bad_time(times, missing, where, row, "an empty one")
    if isinstance(times.dtype, pd.CategoricalDtype):
        times = times.astype(times.cat.categories.dtype)
    if pd.api.types.is_datetime64_any_dtype(times.dtype):
        if isinstance(times.dtype, pd.DatetimeTZDtype):
            return index_ms(pd.DatetimeIndex(times).tz_convert("UTC")), []
        return index_ms(pd.DatetimeIndex(times)), ["dates without a zone are taken as UTC"]
    if times.dtype == object or pd.api.types.is_string_dtype(times.dtype):
        as_numbers = pd.to_numeric(times, errors="coerce")
        no_number = as_numbers.isna().to_numpy()
        if no_number.any() and not no_number[0]:
            raise _bad_time(times, no_number, where, row)
        if no_number[0]:
            return _parse_dates(times.astype("str").str.strip(), where, row)
        times = as_numbers
    if not pd.api.types.is_numeric_dtype(times.dtype) or pd.api.types.is_bool_dtype(times.dtype):
        raise DataError(
            where, expected="times or dates", received=str(times.dtype), remedy="writing epochs or ISO dates"
        )
    numbers = times.to_numpy()
    if numbers.dtype.kind in "iu" and _COMPACT_DATES[0] <= numbers.min() and numbers.max() <= _COMPACT_DATES[1]:
        return _parse_dates(times.astype("str"), where, row)
    return _parse_epochs(numbers, times, where, row)


def _join(date: pd.Series, time_of_day: pd.Series) -> pd.Series:
    """Date and time of day as one text; a `time` column without colons is an epoch and stands alone."""
    if ":" not in str(time_of_day.iloc[0]):
        return pd.to_numeric(time_of_day, errors="coerce")
    return date.astype("str") + " " + time_of_day.astype("str")


def _parse_epochs(numbers: np.ndarray, times: pd.Series, where: str, row: np.ndarray) -> tuple[np.ndarray, list[str]]:
    bad = ~((numbers >= _EARLIEST_EPOCH) & (numbers < _LATEST_MS * 10**6))  # NaN is bad too
    if bad.any():
        raise _bad_time(times, bad, where, row)
    is_seconds, is_ms, is_us = numbers < _MS_FROM, numbers < _US_FROM, numbers < _NS_FROM
    if numbers.dtype.kind == "f":
        # np.rint first: 1660262459.999 s is not exact in binary.
        choices = [np.rint(numbers * 1000), np.rint(numbers), np.floor(numbers / 1000)]
        ms = np.select([is_seconds, is_ms, is_us], choices, np.floor(numbers / 1_000_000)).astype(np.int64)
    else:
        whole = numbers.astype(np.int64)
        ms = np.select([is_seconds, is_ms, is_us], [whole * 1000, whole, whole // 1000], whole // 1_000_000)
    counts = {
        "s": int(is_seconds.sum()),
        "ms": int((is_ms & ~is_seconds).sum()),
        "µs": int((is_us & ~is_ms).sum()),
        "ns": int((~is_us).sum()),
    }
    units = [unit for unit, count in counts.items() if count]
    return ms, [f"times in {' and '.join(units)}"]


def _parse_dates(text: pd.Series, where: str, row: np.ndarray) -> tuple[np.ndarray, list[str]]:
    day_first = _DAY_FIRST_DOTS.match(text.iloc[0]) is not None
    if day_first:
        parsed = pd.to_datetime(text, format="mixed", dayfirst=True, utc=True, errors="coerce")
    else:
        parsed = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    bad = parsed.isna().to_numpy()
    if bad.any():
        raise _bad_time(text, bad, where, row)
    notes = [] if _ZONE.search(text.iloc[0]) else ["dates without a zone are taken as UTC"]
    if day_first:
        notes.append("dates such as 31.12.2024 are taken as day.month.year")
    return index_ms(pd.DatetimeIndex(parsed)), notes


def _bad_time(times: pd.Series, bad: np.ndarray, where: str, row: np.ndarray, received: str | None = None) -> DataError:
    position = int(np.argmax(bad))
    count = int(bad.sum())
    shown = received or repr(str(times.iloc[position]))[:60]
    return DataError(
        f"{where}, row {row[position]}",
        expected="a time: an epoch in s, ms, µs or ns, or an ISO date such as 2024-12-31 23:00",
        received=shown + (f" and {count - 1:,} more" if count > 1 else ""),
        remedy="correcting or deleting that row",
    )
