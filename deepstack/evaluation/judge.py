"""The whole judgement on one page: thresholds on validation, figures on test, the paired test, the verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.classification import check_probability, ranking_auc
from deepstack.evaluation.predictions import evaluate_predictions
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.significance import difference, mean_over, paired_test
from deepstack.evaluation.threshold import Threshold, choose_threshold
from deepstack.evaluation.verdict import UNKNOWN, Findings, verdict
from deepstack.progress import Progress, no_progress


@dataclass(frozen=True)
class Judgement:
    """How the network did beside the baselines.

    Attributes:
        thresholds: model → threshold chosen on validation; the network is `network`.
        best_baseline: the baseline with the highest AUC on validation; None without baselines.
        report: the keys `verdict threshold test baselines comparison` of report.json.
        returns: model → daily returns of the trades it takes on test.
    """

    thresholds: dict[str, Threshold]
    best_baseline: str | None
    report: dict[str, Any]
    returns: dict[str, DailyReturns]


def judge(
    network: Predictions,
    baselines: Mapping[str, Predictions],
    validation: pd.DataFrame,
    test: pd.DataFrame,
    market: Market,
    config: EvaluationConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Judgement:
    """Judge the network and its baselines by the same rule on the same trades.

    Args:
        network, baselines: probabilities on both slices, corrected to the prior.
        validation, test: frames of TRADE_COLUMNS, sorted by decision time.
        market: the candles the trades were labelled on.
        config: coverage floor, risk a trade, number of resamples.
        seed: of the bootstrap, the same for all, so that differences are paired.
        progress: told as each model is done.

    Raises:
        DataError: slices or probabilities that cannot be used.
    """
    models = {"network": network, **baselines}
    net_r = validation["net_r"].to_numpy(np.float64)
    thresholds = {name: choose_threshold(p.validation, net_r, config.min_coverage) for name, p in models.items()}
    report = progress or no_progress
    blocks: dict[str, Any] = {}
    returns: dict[str, DailyReturns] = {}
    for done, (name, predictions) in enumerate(models.items()):
        report("evaluate", done, len(models), name)
        threshold = thresholds[name]
        block, returns[name] = evaluate_predictions(test, predictions.test, threshold.value, market, config, seed)
        blocks[name] = block | {"validation": asdict(threshold), "chosen": predictions.chosen}
    report("evaluate", len(models), len(models), "done")
    best = best_on_validation(baselines, validation["won"].to_numpy(bool))
    comparison = _compare(best, models, thresholds, test, config, seed)
    earning = comparison["against_taking_all"]["expectancy_r"]
    auc = UNKNOWN if best is None else comparison["against_best"]["auc"]
    sentence = verdict(Findings.of(best, blocks, auc, earning))
    return Judgement(
        thresholds,
        best,
        {
            "verdict": sentence,
            "threshold": thresholds["network"].value,
            "test": blocks["network"],
            "baselines": {name: blocks[name] for name in baselines},
            "comparison": {"best_baseline": best, "best_baseline_by": "AUC on validation"}
            | {against: {name: asdict(d) for name, d in figures.items()} for against, figures in comparison.items()},
        },
        returns,
    )


def best_on_validation(baselines: Mapping[str, Predictions], won: np.ndarray) -> str | None:
    """The baseline with the highest AUC on validation, the earlier of equals: choosing it does not peek at test."""
    scores = {
        name: ranking_auc(won, check_probability(predictions.validation, len(won))) or 0.0
        for name, predictions in baselines.items()
    }
    return max(scores, key=lambda name: scores[name]) if scores else None


def _compare(
    best: str | None,
    models: Mapping[str, Predictions],
    thresholds: Mapping[str, Threshold],
    test: pd.DataFrame,
    config: EvaluationConfig,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Paired differences, network minus the best baseline and network minus taking every trade."""
    net_r = test["net_r"].to_numpy(np.float64)
    taken = thresholds["network"].take(models["network"].test)
    found: dict[str, dict[str, Any]] = {
        "against_taking_all": {
            "expectancy_r": difference(
                mean_over(net_r, taken), mean_over(net_r), test, config.bootstrap_resamples, seed
            )
        }
    }
    if best is not None:
        own, other = ((models[name].test, thresholds[name].take(models[name].test)) for name in ("network", best))
        found["against_best"] = paired_test(test, own, other, config.bootstrap_resamples, seed)
    return found
