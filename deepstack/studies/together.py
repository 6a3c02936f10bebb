"""Each member, each way of combining them, and trees, judged on the same samples; also by market regime."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deepstack.artifact.atomic import PART, disk_errors
from deepstack.candles.market import Market
from deepstack.config.evaluation import Baseline
from deepstack.config.run import RunConfig
from deepstack.ensembles.combine import METHODS, Members, combine
from deepstack.ensembles.members import RULE, diversity
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.deflation import deflated_sentence
from deepstack.evaluation.ledger import LEDGER, Ledger
from deepstack.evaluation.plots import confusion
from deepstack.evaluation.question import risk_share_of, trades_for
from deepstack.evaluation.regimes import by_regime, regimes_of
from deepstack.evaluation.report import write_report
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.trading import trade
from deepstack.pipeline.by_regime import REGIME_BARS
from deepstack.pipeline.judgement import baselines_of, baselines_stopped_inside, judge_models
from deepstack.pipeline.market import describe
from deepstack.pipeline.tried import TWO_STAGE, tried
from deepstack.progress import Progress, no_progress
from deepstack.studies.members import Aligned, aligned
from deepstack.studies.two_stage import confirmed

Method = Literal["mean", "weighted", "voting", "weighted_voting", "stacking", "neural_stacking"]

TREES = ("xgboost", "gradient_boosting")
STOPPED = "the members are finished trainings that validation has stopped; weights and stackers learn on it too"
"""What a reader of the report should know beside the rule."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One two-stage combination on the test slice.

    Attributes:
        figures: of its trades.
        returns: a day.
        by_regime: regime → figures.
    """

    figures: dict[str, Any]
    returns: DailyReturns
    by_regime: dict[str, Any]


def ensemble(
    artifacts: Sequence[Path],
    market: Market,
    out: Path,
    *,
    method: Method = "mean",
    classical: Sequence[Baseline] = (),
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Judge several finished models as one and write `report.json`, `report.html` and `plots/` into `out`.

    The ensemble by `method` takes the place of the network. Beside it stand its members, the other methods, the
    baselines of the first member's config (XGBoost too where it is installed), and the two-stage combination: what the
    trees propose where the ensemble confirms it.

    Args:
        artifacts: finished runs on the same candles, labels and split.
        market: those candles.
        out: folder of the report; made here.
        method: which ensemble the verdict is about.
        classical: baselines that are members too; fitted and stopped here inside the training slice, they are in no
            artifact and no SavedModel.

    Raises:
        ArtifactError: members that do not belong together, or a place that cannot be written.
    """
    members = aligned(artifacts, market, progress)
    config = members.config
    asked = dict.fromkeys((*config.evaluation.baselines, *classical, *(("xgboost",) if find_spec("xgboost") else ())))
    wider = config.evaluation.model_copy(update={"baselines": tuple(asked)})
    config = config.model_copy(update={"evaluation": wider})
    models, company = {}, {}
    for number, output in enumerate(members.slices.labels.outputs):
        baselines = _baselines(members, number, config, classical, progress)
        models[output], company[output] = _models(members, number, method, baselines, classical)
    judged = judge_models(models, members.slices, market, config, progress=progress)
    figures = judged.figures | _confusions(judged.report, members.slices.labels.classes)
    stages = {
        output: _two_stages(members, number, output, judged.predictions[output], judged.report, market)
        for number, output in enumerate(models)
    }
    returns = {
        output: each | {name: stages[output][name].returns for name in stages[output]}
        for output, each in judged.returns.items()
    }
    combined = {output: {**one, "members": members.names} for output, one in company.items()}
    named = config.model_copy(update={"model": config.model.model_copy(update={"name": f"ensemble_{method}"})})
    subject = f"ensemble by {method.replace('_', ' ')}"
    ledger, symbols = Ledger(artifacts[0].parent / LEDGER), list(market)
    counted = tried(ledger, returns, run=out.name, symbols=symbols, config=named, combined=combined)
    report = {
        "run": out.name,
        "ensemble": {
            "method": method,
            "members": [*members.names, *classical],
            "artifacts": [path.name for path in artifacts],
            "rule": RULE,
            "stopped": STOPPED,
            "company": company,
        },
        "data": {**describe(market), "left_out_as_unseen_by_a_member": members.left_out},
        "samples": {name: len(getattr(members.slices.split, name)) for name in ("train", "validation", "test")}
        | {"windows_across_gaps": members.slices.across_gaps},
        "config": config.model_dump(mode="json"),
        "subject": subject,
        **judged.report,
        **counted,
        "verdict": f"{judged.report['verdict'].replace('The network', f'The {subject}')}\n"
        f"{deflated_sentence(counted['deflated'])}",
        "baselines": _with_two_stages(judged.report["baselines"], stages),
        "regimes": _regimes_with_two_stages(judged.report["regimes"], stages),
    }
    return _written(out, report, figures)


def _written(out: Path, report: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """The report in its folder, whole or not at all."""
    part = out.with_name(f"{PART}{os.getpid()}-{out.name}")
    with disk_errors(out):
        part.mkdir(parents=True)
        try:
            written = write_report(part, report, figures)
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return written


def _baselines(
    members: Aligned, number: int, config: RunConfig, classical: Sequence[Baseline], progress: Progress
) -> dict[str, Predictions]:
    """The config's baselines on one output; those that are members learn nothing of validation."""

    def only(names: Iterable[Baseline]) -> RunConfig:
        evaluation = config.evaluation.model_copy(update={"baselines": tuple(names)})
        return config.model_copy(update={"evaluation": evaluation})

    others = only(name for name in config.evaluation.baselines if name not in classical)
    found = baselines_of(members.slices, number, others, progress)
    if classical:
        found |= baselines_stopped_inside(members.slices, number, only(classical), progress)
    return {name: found[name] for name in config.evaluation.baselines}


def _models(
    members: Aligned, number: int, method: Method, baselines: dict[str, Predictions], classical: Sequence[Baseline]
) -> tuple[dict[str, Predictions], dict[str, Any]]:
    """Everybody on one output, and who was left out of the ensembles and how far the members differ."""
    split = members.slices.split
    networks = {
        name: Predictions(members.validation[k][:, number], members.test[k][:, number])
        for k, name in enumerate(members.names)
    }
    everyone = networks | {name: baselines[name] for name in classical}
    given = Members(
        np.stack([one.validation for one in everyone.values()]),
        np.stack([one.test for one in everyone.values()]),
        members.slices.labels.codes[split.validation, number],
        members.slices.frame(split.validation),
    )
    combined = {name: combine(name, given) for name in METHODS}
    ensemble, settled = combined.pop(method)
    others = {f"ensemble_{name}": one for name, (one, _) in combined.items()}
    dropped = [list(everyone)[member] for member in settled.pruned.dropped]
    company = {"dropped": dropped, "diversity": diversity(given.validation, given.codes)}
    return {"network": ensemble, **others, **networks, **baselines}, company


def _two_stages(
    members: Aligned, number: int, output: str, models: dict[str, Predictions], report: dict[str, Any], market: Market
) -> dict[str, Stage]:
    """Name → how what trees propose and the ensemble confirms fares."""
    slices, config = members.slices, members.config
    test, codes = slices.frame(slices.split.test), slices.labels.codes[slices.split.test, number]
    regimes = regimes_of(market, test, REGIME_BARS, slices.split.test_cut)
    blocks = _blocks(report, output)
    found = {}
    for name in (name for name in TREES if name in models):
        given = models[name]
        trades = trades_for(test, output, given.test, config.labels)
        risk = risk_share_of(trades, config.evaluation, config.labels)
        thresholds = blocks[name]["threshold"], blocks["network"]["threshold"]
        both = confirmed(given.test, models["network"].test, thresholds)
        figures = by_regime(regimes, codes, given.test.argmax(axis=1), trades, both, market, risk)
        found[f"{TWO_STAGE}{name}"] = Stage(*trade(trades, both, market, risk), figures)
    return found


def _with_two_stages(baselines: dict[str, Any], stages: dict[str, Any]) -> dict[str, Any]:
    """The blocks of all models, those of the two stages added, in the report's shape."""
    several = not any("auc" in block for block in baselines.values())
    added: dict[str, Any] = {}
    for output, found in stages.items():
        for name, one in found.items():
            if several:
                added.setdefault(name, {})[f"h{output}"] = one.figures
            else:
                added[name] = one.figures
    return baselines | added


def _regimes_with_two_stages(regimes: dict[str, Any], stages: dict[str, Any]) -> dict[str, Any]:
    return {
        output: {**found, **{name: one.by_regime for name, one in stages[output].items()}}
        for output, found in regimes.items()
    }


def _blocks(report: dict[str, Any], output: str) -> dict[str, Any]:
    """Model → its block of figures for one output."""
    models = {"network": report["test"], **report["baselines"]}
    return {name: block if "auc" in block else block[f"h{output}"] for name, block in models.items()}


def _confusions(report: dict[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """A confusion matrix a model, of the first output."""
    output = next(iter(report["test"])).removeprefix("h") if "auc" not in report["test"] else ""
    blocks = _blocks(report, output)
    return {
        f"confusion_{name}": confusion(block["confusion"], classes, name.replace("_", " "))
        for name, block in blocks.items()
        if "confusion" in block and (name != "network" or not output)
    }
