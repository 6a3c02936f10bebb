"""From the answers of all fits to the rows of a leaderboard: ranking fold by fold, trading along every path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.evaluation.question import risk_share_of, scores, strength, trades_for
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.threshold import choose_threshold
from deepstack.evaluation.trading import trade
from deepstack.labels.labelled import Labels
from deepstack.studies.same_samples import Common

SCORES = ("auc", "log_loss", "brier", "ece")
TRADED = ("trades_taken", "win_rate", "expectancy_r", "profit_factor", "sharpe", "max_drawdown", "exposure", "turnover")

Fit = tuple[int, int]
"""Fold and seed."""


@dataclass(frozen=True, eq=False)
class Standing:
    """How one model did.

    Attributes:
        model: its name.
        scores: one dict a fold, seed and output.
        traded: one dict a seed, path and output.
        returns: output → daily returns, the mean over seeds and paths: an account split among them.
        by_fold: (fold, output) → tested rows and the mean over seeds of their probabilities [rows, classes].
        validation_auc: mean over fits, what the best baseline is chosen by.
    """

    model: str
    scores: list[dict[str, Any]]
    traded: list[dict[str, Any]]
    returns: dict[str, DailyReturns]
    by_fold: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]
    validation_auc: float


@dataclass(frozen=True, eq=False)
class Tested:
    """What all standings are about.

    Attributes:
        labels: all labelled samples.
        market: the candles.
        config: judges all alike: costs, coverage floor, risk.
        paths: of (fold, group), from `samples.folds.paths`.
        group: int64 [labelled samples], the group each is decided in.
        rows: int64, positions of all tested samples, ascending.
    """

    labels: Labels
    market: Market
    config: RunConfig
    paths: list[list[tuple[int, int]]]
    group: np.ndarray
    rows: np.ndarray


def standing(model: str, fits: Mapping[Fit, Common], tested: Tested) -> Standing:
    """Judge one model on all folds and seeds.

    Args:
        model: its name in every `Common`.
        fits: (fold, seed) → all models' answers.
        tested: the samples and how they are judged.
    """
    config, labels = tested.config, tested.labels
    found: list[dict[str, Any]] = []
    validation_auc: list[float | None] = []
    decided: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray, float]] = {}
    for (fold, seed), given in fits.items():
        for k, output in enumerate(labels.outputs):
            predictions = given.models[model][k]
            known = labels.samples.iloc[given.validation_rows].reset_index(drop=True)
            worth = trades_for(known, output, predictions.validation, config.labels)["net_r"].to_numpy(np.float64)
            threshold = choose_threshold(strength(predictions.validation), worth, config.evaluation.min_coverage)
            figures = scores(labels.codes[given.test_rows, k], predictions.test)
            found.append({"fold": fold, "seed": seed, "output": output, **{name: figures[name] for name in SCORES}})
            validation_auc.append(scores(labels.codes[given.validation_rows, k], predictions.validation)["auc"])
            decided[fold, seed, k] = given.test_rows, predictions.test, threshold.value
    traded, returns = _trade(decided, tested)
    return Standing(
        model,
        found,
        traded,
        returns,
        _by_fold(decided),
        float(np.mean([-1.0 if auc is None else auc for auc in validation_auc])),
    )


def _trade(
    decided: Mapping[tuple[int, int, int], tuple[np.ndarray, np.ndarray, float]], tested: Tested
) -> tuple[list[dict[str, Any]], dict[str, DailyReturns]]:
    """Trading figures of every seed, path and output, and the mean daily returns of each output."""
    found, returns = [], {}
    for k, output in enumerate(tested.labels.outputs):
        daily = []
        for seed in sorted({seed for _, seed, _ in decided}):
            for number, path in enumerate(tested.paths):
                figures, series = _along([(decided[fold, seed, k], group) for fold, group in path], output, tested)
                found.append(
                    {"seed": seed, "path": number, "output": output, **{name: figures[name] for name in TRADED}}
                )
                daily.append(series)
        days = _all_days(daily)
        returns[output] = DailyReturns(days, np.mean([one.on(days) for one in daily], axis=0))
    return found, returns


def _along(
    parts: Sequence[tuple[tuple[np.ndarray, np.ndarray, float], int]], output: str, tested: Tested
) -> tuple[dict[str, Any], DailyReturns]:
    """One account over the whole tested calendar, each stretch traded by the model of its fold."""
    rows, probability, least = [], [], []
    for (where, given, threshold), group in parts:
        inside = tested.group[where] == group
        rows.append(where[inside])
        probability.append(given[inside])
        least.append(np.full(int(inside.sum()), threshold))
    order = np.argsort(np.concatenate(rows), kind="stable")
    chosen, given = np.concatenate(rows)[order], np.concatenate(probability)[order]
    samples = tested.labels.samples.iloc[chosen].reset_index(drop=True)
    trades = trades_for(samples, output, given, tested.config.labels)
    taken = strength(given) >= np.concatenate(least)[order]
    return trade(trades, taken, tested.market, risk_share_of(trades, tested.config.evaluation, tested.config.labels))


def _by_fold(
    decided: Mapping[tuple[int, int, int], tuple[np.ndarray, np.ndarray, float]],
) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """(fold, output) → tested rows, and the mean over seeds of what was said of them."""
    found: dict[tuple[int, int], list[tuple[np.ndarray, np.ndarray]]] = {}
    for (fold, _, output), (rows, given, _) in decided.items():
        found.setdefault((fold, output), []).append((rows, given))
    return {key: (each[0][0], np.mean([given for _, given in each], axis=0)) for key, each in found.items()}


def _all_days(parts: Sequence[DailyReturns]) -> pd.DatetimeIndex:
    return pd.date_range(min(p.days[0] for p in parts), max(p.days[-1] for p in parts), freq="D")
