"""The trained network beside its baselines on the test slice, and what the report draws of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepstack.artifact.model import class_probabilities
from deepstack.calibration import Calibration
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import Predictions, Task, fit_baselines
from deepstack.evaluation.calibrate import calibrated
from deepstack.evaluation.figures import move_figures, report_figures
from deepstack.evaluation.importance import group_importance
from deepstack.evaluation.judge import judge
from deepstack.evaluation.judge_moves import Asked, judge_moves, report_of
from deepstack.evaluation.moves import conviction, mean_class_auc, risk_a_trade, trades_of
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.stress import stress
from deepstack.features.catalogue import GROUP_OF
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.pipeline.by_regime import regimes_by_model
from deepstack.pipeline.samples import Slices, part
from deepstack.progress import Progress, no_progress
from deepstack.samples.scaled import thinned
from deepstack.samples.windows import Windows
from deepstack.training.fit import FitResult

LAGS = (0, 1, 2, 4, 8)
"""Bars before the decision whose features the tree baselines of a window see; the line sees the decision's alone."""
LAGGED_ROWS = 60_000
"""Training rows of baselines on lagged features at most, drawn by the seed."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Figures and plots of a run.

    Attributes:
        thresholds: of the network, one an output.
        report: the keys `verdict threshold test baselines comparison importance` of report.json.
        figures: name → plot.
        returns: output → model → daily returns on test, the network's first.
        calibrations: of the network, one an output.
        predictions: output → model → calibrated predictions, those that the thresholds are for.
    """

    thresholds: tuple[float, ...]
    report: dict[str, Any]
    figures: dict[str, Figure]
    returns: dict[str, dict[str, DailyReturns]]
    calibrations: tuple[Calibration, ...] = ()
    predictions: dict[str, dict[str, Predictions]] = field(default_factory=dict)


def judge_network(
    model: keras.Model,
    head: Head,
    slices: Slices,
    market: Market,
    config: RunConfig,
    fitted: FitResult,
    progress: Progress,
) -> Judged:
    """Predict validation and test, fit the baselines on the same samples, judge all alike; test is opened here, once.

    Args:
        model: the network with its best weights.
        head: what its outputs mean.
        fitted: its training: the history, and answers on validation where its own would be memorised.
    """
    models = _everybody(model, head, slices, config, fitted.validation, progress)
    importance = _importance(model, head, slices, config, progress)
    return judge_models(models, slices, market, config, pd.DataFrame(fitted.history), importance, progress)


def judge_models(
    models: dict[str, dict[str, Predictions]],
    slices: Slices,
    market: Market,
    config: RunConfig,
    history: pd.DataFrame | None = None,
    importance: dict[str, float] | None = None,
    progress: Progress = no_progress,
) -> Judged:
    """Judge models by the same rule on the same samples.

    Args:
        models: output → model → predictions, what is judged as `network` first.
        history: rows of training.csv, for the loss curves.
        importance: feature group → drop in AUC.
    """
    fitted, calibrations = _calibrated(models, slices, config.evaluation.calibration)
    judged = _JUDGE[config.labels.kind](fitted, slices, market, config, history, importance, progress)
    regimes = regimes_by_model(fitted, slices, market, config, judged.report)
    report = {**judged.report, "regimes": regimes}
    return replace(judged, calibrations=calibrations, predictions=fitted, report=report)


def _calibrated(
    models: dict[str, dict[str, Predictions]], slices: Slices, method: str
) -> tuple[dict[str, dict[str, Predictions]], tuple[Calibration, ...]]:
    """Every model calibrated by the same rule, and the network's calibrations."""
    rows = slices.split.validation
    times = slices.frame(rows)
    found: dict[str, dict[str, Predictions]] = {}
    of_network = []
    for number, (output, given) in enumerate(models.items()):
        codes = slices.labels.codes[rows, number]
        both = {name: calibrated(method, one, codes, times) for name, one in given.items()}
        found[output] = {name: predictions for name, (predictions, _) in both.items()}
        of_network.append(both["network"][1])
    return found, tuple(of_network)


def _everybody(
    model: keras.Model,
    head: Head,
    slices: Slices,
    config: RunConfig,
    validation: np.ndarray | None,
    progress: Progress,
) -> dict[str, dict[str, Predictions]]:
    """Output → model → predictions on validation and test, the network first."""
    split = slices.split
    if validation is None:
        validation = class_probabilities(model, head, part(slices.inputs, split.validation), slices.priors)
    test = class_probabilities(model, head, part(slices.inputs, split.test), slices.priors)
    found = {}
    for number, output in enumerate(slices.labels.outputs):
        network = Predictions(validation[:, number], test[:, number])
        found[output] = {"network": network, **baselines_of(slices, number, config, progress)}
    return found


def baselines_of(slices: Slices, output: int, config: RunConfig, progress: Progress) -> dict[str, Predictions]:
    """The config's baselines of one output, fitted on the training slice."""
    plain = baseline_task(slices, output, config.seed)
    windowed = slices.tabular is None and isinstance(slices.inputs[BASE], Windows)
    lagged = baseline_task(slices, output, config.seed, lagged=True) if windowed else plain
    return fit_baselines(plain, lagged, config.evaluation, progress=progress)


def baselines_stopped_inside(
    slices: Slices, output: int, config: RunConfig, progress: Progress
) -> dict[str, Predictions]:
    """`baselines_of`, fitted and stopped inside the training slice: validation is as new to them as test."""
    split, inside = slices.split, slices.stopped_inside(config.split.embargo_bars)
    asked = replace(inside, split=replace(inside.split, test=np.concatenate([split.validation, split.test])))
    found = {}
    for name, one in baselines_of(asked, output, config, progress).items():
        validation, test = np.split(one.test, [len(split.validation)])
        found[name] = replace(one, validation=validation, test=test)
    return found


def baseline_task(slices: Slices, output: int, seed: int, *, lagged: bool = False) -> Task:
    """What baselines are fitted on: the features of the decision's bar, and of some bars before it in its window."""
    values = slices.inputs[BASE] if slices.tabular is None else slices.tabular
    split, lags = slices.split, LAGS if lagged else (0,)
    train = thinned(split.train, LAGGED_ROWS, seed) if lagged else split.train
    codes, weight = slices.labels.codes[:, output], slices.weight[train, output].astype(np.float64)
    return Task(
        *(_rows(values, train, lags), codes[train], weight / weight.mean()),
        *(_rows(values, split.validation, lags), codes[split.validation]),
        x_test=_rows(values, split.test, lags),
        priors=None if slices.priors is None else slices.priors[output],
        seed=seed,
    )


def _rows(values: np.ndarray | Windows, index: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """float32 [index, lags × features]; a lag beyond the window is left out."""
    if not isinstance(values, Windows):
        return values[index]
    last = values.last[index]
    return np.concatenate([values.values[last - lag] for lag in lags if lag < values.length], axis=1)


def _importance(
    model: keras.Model, head: Head, slices: Slices, config: RunConfig, progress: Progress
) -> dict[str, float] | None:
    """Feature group → drop in mean AUC on test when it is shuffled in every input; None with a class missing."""
    codes = slices.labels.codes[slices.split.test]

    def auc(inputs: dict[str, np.ndarray], chosen: np.ndarray) -> float | None:
        probability = class_probabilities(model, head, inputs, slices.priors)
        return mean_class_auc(codes[chosen], probability)

    columns: dict[str, list[int]] = {}
    for column, name in enumerate(slices.names):
        columns.setdefault(GROUP_OF[name], []).append(column)
    rows, seed = config.evaluation.permutation_rows, config.seed
    return group_importance(
        auc, part(slices.inputs, slices.split.test), columns, rows=rows, seed=seed, progress=progress
    )


def _judge_trades(
    models: dict[str, dict[str, Predictions]],
    slices: Slices,
    market: Market,
    config: RunConfig,
    history: pd.DataFrame | None,
    importance: dict[str, float] | None,
    progress: Progress,
) -> Judged:
    network, *others = ((name, predictions.of_class(1)) for name, predictions in models["won"].items())
    validation, test = slices.frame(slices.split.validation), slices.frame(slices.split.test)
    judgement = judge(
        network[1], dict(others), validation, test, market, config.evaluation, seed=config.seed, progress=progress
    )
    figures = report_figures(
        judgement,
        network[1],
        dict(others),
        test,
        market,
        config.evaluation,
        seed=config.seed,
        history=history,
        importance=importance,
    )
    threshold = judgement.thresholds["network"]
    evaluation = config.evaluation
    stressed = stress(test, threshold.take(network[1].test), market, config.labels, evaluation.risk_share)
    report = {"importance": importance, **judgement.report, "stress": stressed}
    return Judged((threshold.value,), report, figures, {"won": judgement.returns})


def _judge_moves(
    models: dict[str, dict[str, Predictions]],
    slices: Slices,
    market: Market,
    config: RunConfig,
    history: pd.DataFrame | None,
    importance: dict[str, float] | None,
    progress: Progress,
) -> Judged:
    labels, split = slices.labels, slices.split
    validation, test = (Asked(slices.frame(index), labels.codes[index]) for index in (split.validation, split.test))
    judged = judge_moves(
        models, validation, test, market, config.evaluation, config.labels, seed=config.seed, progress=progress
    )
    figures = move_figures(
        judged,
        models,
        test,
        market,
        config.evaluation,
        config.labels,
        seed=config.seed,
        history=history,
        importance=importance,
    )
    thresholds = tuple(one.thresholds["network"].value for one in judged.values())
    stressed = {}
    for horizon, one in judged.items():
        given = models[horizon]["network"].test
        trades, taken = trades_of(test.samples, horizon, given, config.labels), one.thresholds["network"]
        risk_share = risk_a_trade(trades, config.evaluation)
        stressed[f"h{horizon}"] = stress(trades, taken.take(conviction(given)), market, config.labels, risk_share)
    report = {"importance": importance, **report_of(judged), "stress": stressed}
    return Judged(thresholds, report, figures, {horizon: one.returns for horizon, one in judged.items()})


_JUDGE: dict[str, Callable[..., Judged]] = {"breakout": _judge_trades, "horizons": _judge_moves}
