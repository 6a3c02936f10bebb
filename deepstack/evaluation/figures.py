"""Every figure of a report from what a run knows at its end."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.evaluation import plots
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.judge import Judgement


def report_figures(
    judgement: Judgement,
    network: Predictions,
    baselines: Mapping[str, Predictions],
    test: pd.DataFrame,
    market: Market,
    config: EvaluationConfig,
    *,
    seed: int,
    history: pd.DataFrame | None = None,
    importance: Mapping[str, float] | None = None,
) -> dict[str, Figure]:
    """The figures in the order a reader wants them, by file name.

    Args:
        judgement: from `judge`.
        network, baselines, test, market, config, seed: what the judgement was made from.
        history: rows of training.csv; without it there are no loss curves.
        importance: feature group → drop in AUC; without it there is no figure of it.
    """
    taken = judgement.thresholds["network"].take(network.test)
    marks = mark_trades(test, market)
    curves = {
        "trades the network takes": equity_curve(marks, taken, config.risk_share),
        "taking every trade": equity_curve(marks, np.ones(len(test), bool), config.risk_share),
    }
    best = judgement.best_baseline
    beside = None if best is None else (best, baselines[best].test)
    if beside is not None:
        chosen = judgement.thresholds[beside[0]].take(beside[1])
        curves[f"trades {beside[0].replace('_', ' ')} takes"] = equity_curve(marks, chosen, config.risk_share)
    resamples = config.bootstrap_resamples
    figures = {
        "equity": plots.equity(curves),
        "coverage": plots.win_rate_against_coverage(test, network.test, beside, float(taken.mean()), resamples, seed),
        "calibration": plots.calibration(test, network.test, resamples, seed),
    }
    if history is not None and len(history):
        figures["loss"] = plots.loss_curves(history)
    if importance:
        figures["importance"] = plots.importance(importance)
    return figures
