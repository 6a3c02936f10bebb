"""Every figure of a report from what a run knows at its end."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.config.labels import LabelsConfig
from deepstack.evaluation import plots
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.judge import Judgement
from deepstack.evaluation.judge_moves import Asked, HorizonJudgement
from deepstack.evaluation.moves import conviction, risk_a_trade, trades_of
from deepstack.labels.horizons import CLASSES


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


def move_figures(
    judged: Mapping[str, HorizonJudgement],
    models: Mapping[str, Mapping[str, Predictions]],
    test: Asked,
    market: Market,
    config: EvaluationConfig,
    labels: LabelsConfig,
    *,
    seed: int,
    history: pd.DataFrame | None = None,
    importance: Mapping[str, float] | None = None,
) -> dict[str, Figure]:
    """The figures of a model of moves: confusion, calibration, coverage and equity of each horizon, loss, importance.

    Args:
        judged, models, test, market, config, labels, seed: what the judgement was made from, and what it was.
        history: rows of training.csv.
        importance: feature group → drop in AUC; without it there is no figure of it.
    """
    figures = {}
    for number, (horizon, judgement) in enumerate(judged.items()):
        network = models[horizon]["network"].test
        trades = trades_of(test.samples, horizon, network, labels)
        taken = judgement.thresholds["network"].take(conviction(network))
        coverage = plots.win_rate_against_coverage(
            trades, conviction(network), None, float(taken.mean()), config.bootstrap_resamples, seed, horizon
        )
        marks, risk = mark_trades(trades, market), risk_a_trade(trades, config)
        curves = {
            "trades the network takes": equity_curve(marks, taken, risk),
            "following every direction": equity_curve(marks, np.ones(len(trades), bool), risk),
        }
        figures[f"confusion_{horizon}"] = plots.confusion(judgement.blocks["network"]["confusion"], CLASSES, horizon)
        figures[f"calibration_{horizon}"] = plots.class_calibration(test.codes[:, number], network, CLASSES, horizon)
        figures[f"coverage_{horizon}"] = coverage
        figures[f"equity_{horizon}"] = plots.equity(curves, horizon)
    if history is not None and len(history):
        figures["loss"] = plots.loss_curves(history)
    if importance:
        figures["importance"] = plots.importance(importance)
    return figures
