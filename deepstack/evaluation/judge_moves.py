"""The judgement of a model of moves: each horizon by itself, with a verdict of its own."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.config.labels import LabelsConfig
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.moves import class_log_losses, conviction, evaluate_moves, macro_auc_of, trades_of
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.significance import difference, mean_over
from deepstack.evaluation.threshold import Threshold, choose_threshold
from deepstack.evaluation.verdict import UNKNOWN, Findings, short_verdict, summary, verdict
from deepstack.progress import Progress, no_progress

EVERYTHING = "following all of its own directions"
"""What the trades beyond a threshold are compared with."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One slice: its samples and their true classes.

    Attributes:
        samples: as `label_horizons` returns them, numbered from 0.
        codes: int [samples, horizons].
    """

    samples: pd.DataFrame
    codes: np.ndarray


@dataclass(frozen=True)
class HorizonJudgement:
    """How the models did on one horizon.

    Attributes:
        thresholds: model → threshold of the conviction, chosen on validation; the network is `network`.
        best_baseline: the baseline with the highest AUC on validation; None without baselines.
        findings: what its verdict is made from.
        blocks: model → block of figures on test.
        comparison: paired differences, network minus the best baseline and minus following every direction.
        returns: model → daily returns of the moves it follows on test.
    """

    thresholds: dict[str, Threshold]
    best_baseline: str | None
    findings: Findings
    blocks: dict[str, dict[str, Any]]
    comparison: dict[str, Any]
    returns: dict[str, DailyReturns]


def judge_moves(
    models: Mapping[str, Mapping[str, Predictions]],
    validation: Asked,
    test: Asked,
    market: Market,
    evaluation: EvaluationConfig,
    labels: LabelsConfig,
    *,
    seed: int,
    progress: Progress = no_progress,
) -> dict[str, HorizonJudgement]:
    """Judge the network and its baselines by the same rule on the same samples.

    Args:
        models: horizon → model → class probabilities on both slices, the model `network` first.
        validation, test: the slices.
        market: the candles the samples were labelled on.
        evaluation: coverage floor, risk a trade, number of resamples.
        labels: costs a side.
        seed: of the bootstrap, the same for all, so that differences are paired.
        progress: told as each horizon is done.

    Returns:
        Horizon → judgement.
    """
    judged = {}
    for done, (number, (horizon, predictions)) in enumerate(zip(range(len(models)), models.items(), strict=True)):
        progress("evaluate", done, len(models), horizon)
        known, asked = ((part.samples, part.codes[:, number]) for part in (validation, test))
        judged[horizon] = _judge_horizon(horizon, predictions, known, asked, market, evaluation, labels, seed)
    progress("evaluate", len(models), len(models), "done")
    return judged


def report_of(judged: Mapping[str, HorizonJudgement]) -> dict[str, Any]:
    """The keys `verdict threshold test baselines comparison` of report.json, each by horizon under `h<horizon>`."""
    baselines = [name for name in next(iter(judged.values())).blocks if name != "network"]
    return {
        "verdict": _verdict_of(judged),
        "threshold": {f"h{horizon}": one.thresholds["network"].value for horizon, one in judged.items()},
        "test": {f"h{horizon}": one.blocks["network"] for horizon, one in judged.items()},
        "baselines": {name: {f"h{horizon}": one.blocks[name] for horizon, one in judged.items()} for name in baselines},
        "comparison": {f"h{horizon}": one.comparison for horizon, one in judged.items()},
    }


def _verdict_of(judged: Mapping[str, HorizonJudgement]) -> str:
    """One sentence of one horizon; of several a summary and a line each."""
    if len(judged) == 1:
        return "".join(f"{horizon}: {verdict(one.findings)}" for horizon, one in judged.items())
    lines = [f"{horizon}: {short_verdict(one.findings)}" for horizon, one in judged.items()]
    return "\n".join([summary([one.findings for one in judged.values()]), *lines])


def _judge_horizon(
    horizon: str,
    models: Mapping[str, Predictions],
    validation: tuple[pd.DataFrame, np.ndarray],
    test: tuple[pd.DataFrame, np.ndarray],
    market: Market,
    evaluation: EvaluationConfig,
    labels: LabelsConfig,
    seed: int,
) -> HorizonJudgement:
    thresholds, blocks, trades, returns = {}, {}, {}, {}
    for name, predictions in models.items():
        known = trades_of(validation[0], horizon, predictions.validation, labels)["net_r"].to_numpy(np.float64)
        thresholds[name] = choose_threshold(conviction(predictions.validation), known, evaluation.min_coverage)
        trades[name] = trades_of(test[0], horizon, predictions.test, labels)
        block, returns[name] = evaluate_moves(
            test[1], predictions.test, trades[name], thresholds[name].value, market, evaluation, seed
        )
        blocks[name] = block | {"validation": asdict(thresholds[name]), "chosen": predictions.chosen}
    best = _best_on_validation(models, validation[1])
    resamples = evaluation.bootstrap_resamples
    net_r = trades["network"]["net_r"].to_numpy(np.float64)
    taken = thresholds["network"].take(conviction(models["network"].test))
    earning = difference(mean_over(net_r, taken), mean_over(net_r), trades["network"], resamples, seed)
    comparison: dict[str, Any] = {
        "best_baseline": best,
        "best_baseline_by": "AUC on validation",
        "against_taking_all": {"expectancy_r": asdict(earning)},
    }
    if best is None:
        found = Findings.of(best, blocks, UNKNOWN, earning, EVERYTHING)
        return HorizonJudgement(thresholds, best, found, blocks, comparison, returns)
    first, second = (macro_auc_of(test[1], models[name].test) for name in ("network", best))
    auc = difference(first, second, trades["network"], resamples, seed)
    first, second = (mean_over(class_log_losses(test[1], models[name].test)) for name in ("network", best))
    loss = difference(first, second, trades["network"], resamples, seed)
    comparison["against_best"] = {"auc": asdict(auc), "log_loss": asdict(loss)}
    return HorizonJudgement(
        thresholds, best, Findings.of(best, blocks, auc, earning, EVERYTHING), blocks, comparison, returns
    )


def _best_on_validation(models: Mapping[str, Predictions], codes: np.ndarray) -> str | None:
    """The baseline with the highest AUC on validation, the earlier of equals: choosing it does not peek at test."""
    whole = np.ones((1, len(codes)))
    scores = {
        name: float(macro_auc_of(codes, predictions.validation)(whole)[0])
        for name, predictions in models.items()
        if name != "network"
    }
    return max(scores, key=lambda name: scores[name]) if scores else None
