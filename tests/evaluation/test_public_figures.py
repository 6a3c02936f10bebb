"""Every trading figure against QuantStats on the same account."""

import numpy as np
import pandas as pd
import pytest
from quantstats import stats

from deepstack.candles.market import Market
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.trading import activity, equity_scores, outcome_scores

HOURS_A_YEAR = 365 * 24


@pytest.fixture(scope="module")
def taken(trades: pd.DataFrame) -> np.ndarray:
    return np.arange(len(trades)) % 3 != 0


@pytest.fixture(scope="module")
def returns(trades: pd.DataFrame, taken: np.ndarray, market: Market) -> pd.Series:
    curve = equity_curve(mark_trades(trades, market), taken, 0.01)
    return pd.Series(curve.value, index=curve.times.tz_localize(None)).pct_change().iloc[1:]


@pytest.mark.parametrize("name", ["sharpe", "sortino", "calmar", "max_drawdown"])
def test_figures_of_the_account(
    name: str, returns: pd.Series, trades: pd.DataFrame, taken: np.ndarray, market: Market
) -> None:
    ours = equity_scores(equity_curve(mark_trades(trades, market), taken, 0.01))[name]
    periods = {} if name == "max_drawdown" else {"periods": HOURS_A_YEAR}
    assert ours == pytest.approx(getattr(stats, name)(returns, **periods), rel=1e-9)


@pytest.mark.parametrize("name", ["win_rate", "profit_factor"])
def test_figures_of_single_trades(name: str, trades: pd.DataFrame, taken: np.ndarray) -> None:
    net_r = trades["net_r"].to_numpy()
    ours = outcome_scores(trades["won"].to_numpy(), net_r, taken)[name]
    theirs = getattr(stats, name)(pd.Series(net_r[taken]), prepare_returns=False)
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_exposure(returns: pd.Series, trades: pd.DataFrame, taken: np.ndarray, market: Market) -> None:
    few = taken & (np.arange(len(trades)) % 10 == 1)
    marks = mark_trades(trades, market)
    curve = equity_curve(marks, few, 0.01)
    theirs = stats.exposure(pd.Series(np.diff(curve.value) / curve.value[:-1]), prepare_returns=False)
    assert theirs - 0.01 <= activity(marks, trades, few, 0.01)["exposure"] <= theirs  # they round up to a percent


def test_turnover_is_what_was_bought_and_sold(trades: pd.DataFrame, market: Market) -> None:
    marks = mark_trades(trades, market)
    one = np.zeros(len(trades), bool)
    one[7] = True
    entry, exit_price, risk = trades.loc[7, ["entry_price", "exit_price", "risk"]]
    quantity = 0.01 / risk
    years = len(marks.times) / HOURS_A_YEAR
    ours = activity(marks, trades, one, 0.01)["turnover"]
    assert ours == pytest.approx(quantity * (entry + exit_price) / years, rel=1e-9)
