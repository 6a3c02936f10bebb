"""What the decisions would have earned: the figures traders read from an equity curve and from single trades."""

import numpy as np

from deepstack.evaluation.classification import ratio
from deepstack.evaluation.equity import Equity

SECONDS_A_YEAR = 365 * 24 * 3600


def equity_scores(equity: Equity) -> dict[str, float | None]:
    """Figures of an equity curve.

    Returns:
        `sharpe` and `sortino`, annualised from the bar interval with 365 × 24 × 3600 s a year and no risk-free rate;
        Sortino's risk is the root mean square of the negative returns over all bars (Sortino & Price 1994, target 0).
        Sharpe is None on a flat curve, Sortino also on one that never falls. `max_drawdown`, the largest fall from a
        peak as a negative fraction, 0 when there is none. `total_return`, a fraction.
    """
    value = equity.value
    alive = value[:-1] > 0.0
    returns = np.diff(value)[alive] / value[:-1][alive]
    returns = np.concatenate([returns, np.zeros(len(value) - 1 - len(returns))])
    year = np.sqrt(SECONDS_A_YEAR / equity.interval.total_seconds())
    deviation = returns.std(ddof=1) if len(returns) > 1 else 0.0
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)) if len(returns) else 0.0
    mean = returns.mean() if len(returns) else 0.0
    return {
        "sharpe": ratio(year * mean, deviation),
        "sortino": ratio(year * mean, downside),
        "max_drawdown": float(np.min(value / np.maximum.accumulate(value)) - 1.0),
        "total_return": float(value[-1] - 1.0),
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
