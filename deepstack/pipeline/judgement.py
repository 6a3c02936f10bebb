"""The trained network beside its baselines on the test slice, and what the report draws of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import pandas as pd
from matplotlib.figure import Figure

from deepstack.artifact.model import win_probability
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import Predictions, fit_baselines
from deepstack.evaluation.figures import report_figures
from deepstack.evaluation.importance import group_importance
from deepstack.evaluation.judge import Judgement, judge
from deepstack.features.catalogue import GROUP_OF
from deepstack.pipeline.samples import Slices
from deepstack.progress import Progress


@dataclass(frozen=True, eq=False)
class Judged:
    """Figures and plots of a run.

    Attributes:
        judgement: thresholds, test blocks, comparison, verdict.
        importance: feature group → drop in AUC when it is shuffled; None when the rows hold one class.
        figures: name → plot.
    """

    judgement: Judgement
    importance: dict[str, float] | None
    figures: dict[str, Figure]


def judge_network(
    model: keras.Model,
    slices: Slices,
    market: Market,
    config: RunConfig,
    history: Sequence[Any],
    progress: Progress,
) -> Judged:
    """Predict validation and test, fit the baselines on the same samples, judge all alike; test is opened here, once.

    Args:
        model: the network with its best weights.
        history: rows of training.csv, for the loss curves.
    """
    x, won, split, evaluation = slices.scaled.x, slices.won, slices.split, config.evaluation
    probability = partial(win_probability, model, prior=slices.scaled.prior)
    network = Predictions(probability(x[split.validation]), probability(x[split.test]))
    baselines = fit_baselines(
        x[split.train],
        won[split.train],
        slices.scaled.weight[split.train],
        x[split.validation],
        won[split.validation],
        x[split.test],
        evaluation,
        seed=config.seed,
        prior=slices.scaled.prior,
        progress=progress,
    )
    validation, test = slices.trades(split.validation), slices.trades(split.test)
    judgement = judge(network, baselines, validation, test, market, evaluation, seed=config.seed, progress=progress)
    importance = group_importance(
        probability,
        x[split.test],
        won[split.test],
        _columns_by_group(slices.scaled.names),
        rows=evaluation.permutation_rows,
        seed=config.seed,
        progress=progress,
    )
    figures = report_figures(
        judgement,
        network,
        baselines,
        test,
        market,
        evaluation,
        seed=config.seed,
        history=pd.DataFrame(history),
        importance=importance,
    )
    return Judged(judgement, importance, figures)


def _columns_by_group(names: tuple[str, ...]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        groups.setdefault(GROUP_OF[name], []).append(column)
    return groups
