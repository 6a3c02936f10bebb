"""The block of figures that `report.json` gives for every model on the test slice."""

from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.evaluation.calibration import expected_calibration_error
from deepstack.evaluation.classification import check_probability, decision_scores, probability_scores
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.significance import auc_of, bootstrap, interval95, log_losses, mean_over
from deepstack.evaluation.trading import trade


def evaluate_predictions(
    trades: pd.DataFrame,
    probability: np.ndarray,
    threshold: float,
    market: Market,
    config: EvaluationConfig,
    seed: int,
) -> tuple[dict[str, Any], DailyReturns]:
    """Judge one model on one slice: the probabilities, the decisions, and what the decisions earned.

    Args:
        trades: frame of TRADE_COLUMNS, sorted by decision time.
        probability: [trades], probability that the trade wins, corrected to the prior.
        threshold: trades of at least this probability are taken.
        market: the candles the trades were labelled on.
        config: risk a trade and the number of bootstrap resamples.
        seed: of the bootstrap; models judged with the same seed meet the same resamples.

    Returns:
        The keys of a `test` block: plain floats, ints and lists, None where a figure is undefined. Intervals are
        95 % by block bootstrap and None when the slice is shorter than ten blocks; figures of the taken trades are
        None when nothing is taken, ranking figures when only one class is present. And the daily returns.

    Raises:
        DataError: no trades, unusable probabilities, or candles that do not hold the trades.
    """
    values = check_probability(probability, len(trades))
    won, net_r = trades["won"].to_numpy(bool), trades["net_r"].to_numpy(np.float64)
    taken = values >= threshold
    figures, returns = trade(trades, taken, market, config.risk_share)
    drawn = bootstrap(
        {
            "auc": auc_of(won, values),
            "log_loss": mean_over(log_losses(won, values)),
            "win_rate": mean_over(won, taken),
            "expectancy_r": mean_over(net_r, taken),
        },
        trades,
        config.bootstrap_resamples,
        seed,
    )
    block = {
        **probability_scores(won, values),
        "ece": expected_calibration_error(won, values),
        **decision_scores(won, taken),
        **figures,
        **{f"{name}_ci95": interval95(resampled) for name, resampled in drawn.items()},
        "threshold": float(threshold),
    }
    return block, returns
