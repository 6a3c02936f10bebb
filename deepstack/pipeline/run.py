"""The whole arrow on one page: candles → features → labels → samples → model → training → evaluation → artifact."""

import resource
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from deepstack.artifact.atomic import disk_errors
from deepstack.artifact.manifest import write_manifest
from deepstack.artifact.model import win_probability
from deepstack.artifact.save import Trained, save_files
from deepstack.artifact.workspace import publish, removed_if_unused
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import Predictions, fit_baselines
from deepstack.evaluation.figures import report_figures
from deepstack.evaluation.importance import group_importance
from deepstack.evaluation.judge import judge
from deepstack.evaluation.report import write_report
from deepstack.features.catalogue import FEATURES, GROUP_OF
from deepstack.models import catalogue
from deepstack.models.options import read_options
from deepstack.pipeline.market import load_source
from deepstack.pipeline.samples import candidates, scale
from deepstack.pipeline.stopwatch import Stopwatch
from deepstack.pipeline.workers import end_together, open_for_all
from deepstack.progress import Progress, no_progress
from deepstack.samples.batches import Samples
from deepstack.samples.split import split_by_time
from deepstack.training.fit import fit
from deepstack.training.strategy import make_strategy


def run(
    config: RunConfig, *, out: Path = Path("artifacts"), resume: bool = False, progress: Progress = no_progress
) -> Path:
    """Run one experiment from candles to a finished artifact.

    Args:
        config: the experiment.
        out: folder of the artifacts.
        resume: continue the newest unfinished run of this config.
        progress: told of all long work.

    Returns:
        The artifact's folder, in every process of a multi-worker run; its chief judges and publishes.

    Raises:
        DeepstackError: data, config or disk that cannot be used; a run that had begun to train stays in
            `<out>/.running`.
    """
    watch = Stopwatch()
    entry = catalogue.find(config.model.name)
    options = read_options(entry.config, config.model.options)
    strategy = make_strategy(config.training.strategy)  # before any other TensorFlow operation
    workspace, folder, resumed = open_for_all(strategy, out, _run_name(config), config, resume=resume)

    with watch.stage("read"), removed_if_unused(workspace):
        source = load_source(config, progress)
        market = source.market
        interval = next(iter(market.values())).interval
    with watch.stage("features"), removed_if_unused(workspace):
        found = candidates(market, config.features, config.labels, progress=progress)
    with watch.stage("labels"), removed_if_unused(workspace):
        split = split_by_time(found.trades, interval, config.split)
        scaled = scale(found, split, interval, config.features, config.training.balance_classes)
        won = found.trades["won"].to_numpy(bool)

    def slice_of(index: np.ndarray) -> Samples:
        return Samples({"features": scaled.x}, index, won[index].astype(np.float32), scaled.weight[index])

    build = partial(catalogue.build, config.model.name, {"features": (len(scaled.names),)}, "binary", config.model.options)
    fitted = fit(
        build,
        slice_of(split.train),
        slice_of(split.validation),
        config.training,
        seed=config.seed,
        folder=folder,
        resume=resumed,
        progress=progress,
        bytes_per_sample=entry.bytes_per_sample(options),
    )
    if workspace is None:
        return end_together(strategy, out / folder.name, chief=False)
    watch.seconds |= {"first_step": fitted.first_step_s, "train": fitted.train_s}

    with watch.stage("build"):
        model = build()  # float32 whatever the training precision, and free of the optimizer
        model.set_weights(fitted.model.get_weights())
    with watch.stage("evaluate"):
        probability = partial(win_probability, model, prior=scaled.prior)
        network = Predictions(probability(scaled.x[split.validation]), probability(scaled.x[split.test]))
        baselines = fit_baselines(
            scaled.x[split.train],
            won[split.train],
            scaled.weight[split.train],
            scaled.x[split.validation],
            won[split.validation],
            scaled.x[split.test],
            config.evaluation,
            seed=config.seed,
            prior=scaled.prior,
            progress=progress,
        )
        validation, test = (found.trades.iloc[i].reset_index(drop=True) for i in (split.validation, split.test))
        judgement = judge(
            network, baselines, validation, test, market, config.evaluation, seed=config.seed, progress=progress
        )
        importance = group_importance(
            probability,
            scaled.x[split.test],
            won[split.test],
            _columns_by_group(scaled.names),
            rows=config.evaluation.permutation_rows,
            seed=config.seed,
            progress=progress,
        )
    with watch.stage("export"):
        threshold = judgement.thresholds["network"].value
        trained = Trained(model, scaled.names, scaled.scaler, scaled.prior, threshold)
        columns = [found.names.index(name) for name in scaled.names]
        examples = found.features[split.validation[:32]][:, columns]
        layers = save_files(folder, config.name, trained, [_feature_row(name) for name in scaled.names], examples)

    figures = report_figures(
        judgement,
        network,
        baselines,
        test,
        market,
        config.evaluation,
        seed=config.seed,
        history=pd.DataFrame(fitted.history),
        importance=importance,
    )
    report = {
        "run": workspace.run,
        "config": config.model_dump(mode="json"),
        "data": source.facts,
        "features": {"count": len(scaled.names), "computed": len(found.names), "warmup_bars": found.warmup_bars},
        "samples": {
            "train": len(split.train),
            "val": len(split.validation),
            "test": len(split.test),
            "purged": split.purged,
            "embargoed": split.embargoed,
            "gap_windows": found.gap_windows,
            "positive_rate": float(won.mean()),
            "prior": scaled.prior,
            "validation_cut": split.validation_cut.isoformat(),
            "test_cut": split.test_cut.isoformat(),
        },
        "trials": 1,
        "model": {
            "name": config.model.name,
            "layers": layers,
            "parameters": model.count_params(),
            "trainable_parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        },
        "timing_s": watch.report(),
        "peak_rss_mb": peak_rss_mb(),
        "train_samples_per_s": fitted.samples_per_s,
        "epochs": fitted.epochs,
        "batch_size": fitted.batch_size,
        "precision": fitted.precision,
        "stopped_early": fitted.stopped_early,
        "importance": importance,
        **judgement.report,
    }
    with disk_errors(folder):
        write_report(folder, report, figures)
    facts = source.facts | {"prior": scaled.prior, "test_cut": split.test_cut.isoformat()}
    write_manifest(folder, config, run=workspace.run, data=facts, features=scaled.names)
    return end_together(strategy, publish(workspace), chief=True)


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _run_name(config: RunConfig) -> str:
    return f"{config.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _columns_by_group(names: tuple[str, ...]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        groups.setdefault(GROUP_OF[name], []).append(column)
    return groups


def _feature_row(name: str) -> dict[str, object]:
    feature = FEATURES[name]
    return {
        "name": name,
        "group": GROUP_OF[name],
        "unit": feature.unit,
        "lookback_bars": feature.lookback_bars,
        "formula": feature.formula,
    }
