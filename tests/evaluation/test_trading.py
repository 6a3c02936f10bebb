import numpy as np
import pandas as pd
import pytest

from deepstack.evaluation.equity import Equity
from deepstack.evaluation.trading import equity_scores, outcome_scores

HOUR = pd.Timedelta("1h")
TIMES = pd.date_range("2024-01-01", periods=6, freq=HOUR, tz="UTC", unit="ms")


def test_annualised_figures_by_hand() -> None:
    returns = np.array([0.01, -0.02, 0.03])
    curve = Equity(TIMES[:4], HOUR, np.cumprod([1.0, *(1.0 + returns)]))
    scores = equity_scores(curve)
    year = np.sqrt(365 * 24)
    assert scores["sharpe"] == pytest.approx(year * returns.mean() / returns.std(ddof=1), abs=1e-9)
    assert scores["sortino"] == pytest.approx(year * returns.mean() / np.sqrt(0.02**2 / 3), abs=1e-9)
    assert scores["max_drawdown"] == pytest.approx(-0.02, abs=1e-12)
    assert scores["total_return"] == pytest.approx(1.01 * 0.98 * 1.03 - 1.0, abs=1e-12)


def test_outcomes_by_hand() -> None:
    net_r = np.array([1.5, -1.0, -0.5, 2.0])
    scores = outcome_scores(net_r > 0, net_r, np.array([True, True, True, False]))
    assert scores["expectancy_r"] == pytest.approx(0.0, abs=1e-12)
    assert scores["profit_factor"] == pytest.approx(1.0, abs=1e-12)
    assert scores["win_rate"] == pytest.approx(1 / 3, abs=1e-12)
    assert (scores["coverage"], scores["base_win_rate"], scores["trades"], scores["trades_taken"]) == (0.75, 0.5, 4, 3)
