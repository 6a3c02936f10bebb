import numpy as np
import pandas as pd
import pytest

from deepstack.evaluation.equity import Equity
from deepstack.evaluation.returns import DailyReturns, daily_returns


def equity(start: str, interval: str, values: list[float]) -> Equity:
    times = pd.date_range(start, periods=len(values), freq=interval, tz="UTC", unit="ms")
    return Equity(times, pd.Timedelta(interval), np.array(values))


def test_a_day_ends_with_its_last_close_at_midnight() -> None:
    found = daily_returns(equity("2024-01-01 12:00", "12h", [1.0, 1.1, 1.2, 1.21, 1.3]))
    assert [day.day for day in found.days] == [1, 2, 3]
    np.testing.assert_allclose(found.values, [0.1, 0.1, 1.3 / 1.21 - 1.0])


def test_returns_compound_to_the_whole() -> None:
    values = np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, 500)))
    curve = equity("2024-01-01", "1h", [1.0, *values])
    assert np.prod(1.0 + daily_returns(curve).values) == pytest.approx(values[-1])


def test_bars_longer_than_a_day_and_ruin() -> None:
    found = daily_returns(equity("2024-01-02", "2D", [1.0, 2.0, 0.0, 0.0]))
    np.testing.assert_allclose(found.values, [0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0])


def test_other_days_read_as_nothing() -> None:
    one = DailyReturns(pd.date_range("2024-01-01", periods=2, freq="D", tz="UTC"), np.array([0.1, 0.2]))
    days = pd.date_range("2023-12-31", periods=4, freq="D", tz="UTC")
    np.testing.assert_allclose(one.on(days), [0.0, 0.1, 0.2, 0.0])


def test_an_account_beyond_all_numbers_returns_nothing_more() -> None:
    found = daily_returns(equity("2024-01-02", "1D", [1.0, 2.0, np.inf, np.inf]))
    assert found.values.tolist() == [0.0, 1.0, 0.0, 0.0]
