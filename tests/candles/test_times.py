"""Every way a file can write one moment gives the same millisecond."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstack.candles.times import close_index, index_ms, parse_times
from deepstack.errors import DataError

MOMENT_MS = 1_735_689_660_000  # 2025-01-01 00:01 UTC


def parse(values: object, **other: object) -> tuple[np.ndarray, list[str]]:
    return parse_times(pd.DataFrame({"open_time": values, **other}), "open_time", "x.csv", np.arange(2, 99))


@pytest.mark.parametrize("per_ms", [1, 1000, 1_000_000])
def test_integer_epochs(per_ms: int) -> None:
    assert parse([MOMENT_MS * per_ms])[0].tolist() == [MOMENT_MS]


@given(st.lists(st.tuples(st.integers(10**8, 4 * 10**9), st.sampled_from([1, 10**3, 10**6, 10**9])), min_size=1))
def test_units_may_be_mixed_within_one_series(moments: list[tuple[int, int]]) -> None:
    # Whole seconds from 1973 on, each written in its own unit.
    written = np.array([second * unit for second, unit in moments], dtype=np.int64)
    assert parse(written)[0].tolist() == [second * 1000 for second, _ in moments]


def test_units_are_reported() -> None:
    assert parse([MOMENT_MS, (MOMENT_MS + 60_000) * 1000])[1] == ["times in ms and µs"]


def test_fractions_of_a_millisecond_are_cut_off() -> None:
    assert parse([1735689659999999])[0].tolist() == [1735689659999]


def test_float_and_text_epochs() -> None:
    assert parse([1735689660.5])[0].tolist() == [MOMENT_MS + 500]
    assert parse([1660262459.999])[0].tolist() == [1660262459999]
    assert parse([str(MOMENT_MS)])[0].tolist() == [MOMENT_MS]


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-01 00:01",
        "2025-01-01T00:01:00Z",
        "2025-01-01T00:01:00.000+00:00",
        "2025-01-01 01:01:00+01:00",
        "20250101 00:01",
        "2025.01.01 00:01",
        "2025/01/01 00:01:00",
        "01.01.2025 00:01:00.000",
    ],
)
def test_dates(text: str) -> None:
    assert parse([text])[0].tolist() == [MOMENT_MS]


def test_naive_dates_are_taken_as_utc_and_said_so() -> None:
    assert parse(["2025-01-01 00:01"])[1] == ["dates without a zone are taken as UTC"]
    assert parse(["2025-01-01 00:01+00:00"])[1] == []
    assert parse(pd.to_datetime(["2025-01-01 00:01"]))[1] == ["dates without a zone are taken as UTC"]


def test_aware_dates_are_converted() -> None:
    new_york = pd.to_datetime(["2025-01-01 00:01"], utc=True).tz_convert("America/New_York")
    times, notes = parse(new_york)
    assert (times.tolist(), notes) == ([MOMENT_MS], [])


@pytest.mark.parametrize(
    "values", [[MOMENT_MS], [str(MOMENT_MS)], ["2025-01-01 00:01"], [pd.Timestamp("2025-01-01 00:01")]]
)
def test_times_stored_as_categories(values: list) -> None:
    assert parse(pd.Categorical(values))[0].tolist() == [MOMENT_MS]


def test_compact_dates_are_no_seconds() -> None:
    times, _ = parse([20250101, 20250102])
    assert times.tolist() == [MOMENT_MS - 60_000, MOMENT_MS - 60_000 + 86_400_000]


def test_date_and_time_in_two_columns() -> None:
    assert parse(["2025.01.01"], time_of_day=["00:01"])[0].tolist() == [MOMENT_MS]
    assert parse(["2025-01-01"], time_of_day=[MOMENT_MS])[0].tolist() == [MOMENT_MS]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, 2], r"x\.csv, row 2: .* received '0' and 2 more"),
        ([MOMENT_MS, 17], "row 3: .* received '17'"),
        ([MOMENT_MS, None], "row 3: .* received an empty one"),
        (["2025-01-01", "yesterday"], "row 3: .* received 'yesterday'"),
        (["01/02/2025"], "row 2: .* received '01/02/2025'"),  # January or February: nobody can know
        ([MOMENT_MS, 8 * 10**18], "row 3"),
        ([1e300], "row 2"),
        (["2300-01-01"], "row 2"),
        ([True, False], "received bool"),
    ],
)
def test_what_is_no_time_is_refused_with_its_row(values: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(values)


def test_index_round_trip() -> None:
    index = close_index(np.array([MOMENT_MS, MOMENT_MS + 60_000]))
    assert str(index.dtype) == "datetime64[ms, UTC]"
    assert index.name == "close_time"
    assert index_ms(index.as_unit("ns")).tolist() == [MOMENT_MS, MOMENT_MS + 60_000]
