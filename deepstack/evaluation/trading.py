"""What the decisions would have earned: the figures traders read from an equity curve and from single trades."""

from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.evaluation.classification import ratio
from deepstack.evaluation.equity import Equity, Marks, equity_curve, mark_trades
from deepstack.evaluation.returns import DailyReturns, daily_returns

SECONDS_A_YEAR = 365 * 24 * 3600


def trade(
    trades: pd.DataFrame, taken: np.ndarray, market: Market, risk_share: float
) -> tuple[dict[str, Any], DailyReturns]:
    """Every trading figure of a selection of trades, and its daily returns.

    Args:
        trades: frame of TRADE_COLUMNS.
        taken: bool [trades].
        market: the candles the trades were labelled on.
        risk_share: fraction of equity lost when a trade loses 1 R.

    Raises:
        DataError: no trades, or candles that do not hold them.
    """
    marks = mark_trades(trades, market)
    equity = equity_curve(marks, taken, risk_share)
    won, net_r = trades["won"].to_numpy(bool), trades["net_r"].to_numpy(np.float64)
    figures = {
        **outcome_scores(won, net_r, taken),
        **equity_scores(equity),
        **activity(marks, trades, taken, risk_share),
    }
    return figures, daily_returns(equity)


def equity_scores(equity: Equity) -> dict[str, float | None]:
    """Figures of an equity curve.

    Returns:
        `sharpe` and `sortino`, annualised from the bar interval with 365 × 24 × 3600 s a year and no risk-free rate;
        Sortino's risk is the root mean square of the negative returns over all bars (Sortino & Price 1994, target 0).
        Sharpe is None on a flat curve, Sortino also on one that never falls. `max_drawdown`, the largest fall from a
        peak as a negative fraction, 0 when there is none. `total_return`, a fraction. `calmar`, the compound return a
        year over the largest fall (Young 1991); None without a fall.
    """
    value = equity.value
    alive = value[:-1] > 0.0
    returns = np.diff(value)[alive] / value[:-1][alive]
    returns = np.concatenate([returns, np.zeros(len(value) - 1 - len(returns))])
    year = np.sqrt(SECONDS_A_YEAR / equity.interval.total_seconds())
    deviation = returns.std(ddof=1) if len(returns) > 1 else 0.0
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)) if len(returns) else 0.0
    mean = returns.mean() if len(returns) else 0.0
    drawdown = float(np.min(value / np.maximum.accumulate(value)) - 1.0)
    return {
        "sharpe": ratio(year * mean, deviation),
        "sortino": ratio(year * mean, downside),
        "calmar": ratio(_compound(equity), -drawdown),
        "max_drawdown": drawdown,
        "total_return": float(value[-1] - 1.0),
    }


def _compound(equity: Equity) -> float:
    """Return a year that compounds to the whole, a fraction."""
    years = (len(equity.value) - 1) * equity.interval.total_seconds() / SECONDS_A_YEAR
    # A few bars that double would be a figure beyond all numbers.
    return float(np.expm1(min(np.log(max(equity.value[-1], 1e-300)) / years, 300.0))) if years > 0.0 else 0.0


def activity(marks: Marks, trades: pd.DataFrame, taken: np.ndarray, risk_share: float) -> dict[str, float]:
    """How much was traded.

    Returns:
        `exposure`, the share of bars with an open position; `turnover`, the value bought and sold a year, in multiples
        of the equity at each decision.
    """
    kept = trades[taken]
    value = (kept["entry_price"] + kept["exit_price"]) / kept["risk"]
    years = len(marks.times) * marks.interval.total_seconds() / SECONDS_A_YEAR
    return {
        "exposure": len(np.unique(marks.bar[taken[marks.trade]])) / len(marks.times),
        "turnover": float(risk_share * value.sum() / years),
    }


def outcome_scores(won: np.ndarray, net_r: np.ndarray, taken: np.ndarray) -> dict[str, float | int | None]:
    """Figures of the taken trades one by one.

    Args:
        won: bool [trades].
        net_r: float64 [trades], in R after costs.
        taken: bool [trades].

    Returns:
        `trades` (candidates), `trades_taken`, `coverage` (share taken), `base_win_rate` (of all candidates), and, None
        when nothing is taken: `win_rate`, `expectancy_r` (mean net R), `profit_factor` (R won over R lost, None
        also when nothing was lost).
    """
    count = int(np.count_nonzero(taken))
    kept = net_r[taken]
    return {
        "trades": len(won),
        "trades_taken": count,
        "coverage": count / len(won),
        "base_win_rate": float(np.mean(won)),
        "win_rate": ratio(int(np.count_nonzero(won[taken])), count),
        "expectancy_r": ratio(kept.sum(), count),
        "profit_factor": ratio(kept[kept > 0.0].sum(), -kept[kept < 0.0].sum()),
    }
