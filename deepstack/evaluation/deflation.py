"""What is left of a Sharpe ratio once everything that was tried on the same data is counted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepstack.evaluation.ledger import Trial
from deepstack.evaluation.overfitting import backtest_overfitting
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.sharpe import deflated_sharpe, probabilistic_sharpe, sharpe_interval, sharpe_ratio

MOST_COLUMNS = 500
"""Strategies compared for overfitting at most, the newest."""
LEAST_SHARE = 0.9
"""Of the days that another strategy must have traded through to be compared."""
DAYS_A_YEAR = 365


def deflation(
    returns: DailyReturns, trials: Sequence[Trial], symbols: Sequence[str], resamples: int, seed: int
) -> dict[str, Any]:
    """Figures of one strategy's daily returns in the light of all trials on the same symbols and time.

    Args:
        returns: of the strategy.
        trials: of the ledger, its own among them.
        symbols: what it traded.
        resamples: of the bootstrap behind the interval.
        seed: of its draw.

    Returns:
        `trials` and `choices` counted; `sharpe_daily`, annualised from days, with `sharpe_daily_ci95` by the stationary
        bootstrap; `probabilistic_sharpe`, `deflated_sharpe`, `overfitting` (see `backtest_overfitting`). None where a
        figure is not defined.
    """
    met = [trial for trial in trials if trial.overlaps(symbols, returns.days)]
    sharpes = np.array([sharpe_ratio(trial.returns.values) for trial in met])
    choices = sum(trial.made.choices for trial in met)
    shared = [trial.returns.on(returns.days) for trial in met if _covers(trial.returns, returns)]
    compared = [
        returns.values,
        *(one for one in shared[-MOST_COLUMNS:] if not np.allclose(one, returns.values, atol=1e-8)),
    ]
    overfitted = backtest_overfitting(np.array(compared).T) if len(compared) > 1 else None
    year = np.sqrt(DAYS_A_YEAR)
    interval = sharpe_interval(returns.values, resamples, seed)
    return {
        "trials": len(met),
        "choices": choices,
        "sharpe_daily": year * sharpe_ratio(returns.values),
        "sharpe_daily_ci95": None if interval is None else [year * bound for bound in interval],
        "probabilistic_sharpe": probabilistic_sharpe(returns.values),
        "deflated_sharpe": deflated_sharpe(returns.values, sharpes, choices),
        "overfitting": None if overfitted is None else overfitted.probability,
    }


def deflated_sentence(deflated: Mapping[str, Any]) -> str:
    """How much of the Sharpe ratio is left, for readers of the verdict.

    Args:
        deflated: the block of `deflation`, or output → block.
    """
    blocks = {"": deflated} if "trials" in deflated else deflated
    tried = max(block["trials"] for block in blocks.values())
    left = [
        f"{output} {'not defined' if (share := block['deflated_sharpe']) is None else format(share, '.2f')}".strip()
        for output, block in blocks.items()
    ]
    many = f"{tried} strategies" if tried > 1 else "1 strategy"
    return f"Probability that its Sharpe ratio is no luck, {many} tried on these candles: {', '.join(left)}."


def _covers(other: DailyReturns, returns: DailyReturns) -> bool:
    return len(other.days.intersection(returns.days)) >= LEAST_SHARE * len(returns.days)
