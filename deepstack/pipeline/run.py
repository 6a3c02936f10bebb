"""The whole arrow on one page: candles → features → labels → samples → model → training → evaluation → artifact."""

from datetime import UTC, datetime
from pathlib import Path

from deepstack.artifact.atomic import disk_errors
from deepstack.artifact.decision import Decision
from deepstack.artifact.manifest import write_manifest
from deepstack.artifact.save import Trained, save_files
from deepstack.artifact.workspace import publish, removed_if_unused
from deepstack.config.run import RunConfig
from deepstack.evaluation.certificate import WORLDS, draw, read_certificate
from deepstack.evaluation.deflation import deflated_sentence
from deepstack.evaluation.ledger import LEDGER, Ledger
from deepstack.evaluation.report import write_report
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.pipeline.judgement import judge_network
from deepstack.pipeline.market import load_source
from deepstack.pipeline.record import facts_of, feature_rows
from deepstack.pipeline.samples import find, slices
from deepstack.pipeline.stopwatch import Stopwatch
from deepstack.pipeline.train import check, train
from deepstack.pipeline.train_network import builder
from deepstack.pipeline.tried import tried
from deepstack.pipeline.workers import end_together, open_for_all
from deepstack.progress import Progress, no_progress
from deepstack.training.strategy import make_strategy


def run(
    config: RunConfig,
    *,
    out: Path = Path("artifacts"),
    resume: bool = False,
    certificate: Path | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Run one experiment from candles to a finished artifact.

    Args:
        config: the experiment.
        out: folder of the artifacts.
        resume: continue the newest unfinished run of this config.
        certificate: folder of a null certificate of this experiment, to be shown in the report.
        progress: told of all long work.

    Returns:
        The artifact's folder, in every process of a multi-worker run; its chief judges and publishes.

    Raises:
        DeepstackError: data, config or disk that cannot be used; a run that had begun to train stays in
            `<out>/.running`.
    """
    watch = Stopwatch()
    check(config)
    entry, head = catalogue.line_of(config.model), head_of(config.labels, config.model)
    strategy = make_strategy(config.training.strategy)  # before any other TensorFlow operation
    Ledger(out / LEDGER).trials()  # one that cannot be read is told before any work
    name = f"{config.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    workspace, folder, resumed = open_for_all(strategy, out, name, config, resume=resume)

    with removed_if_unused(workspace):
        with watch.stage("read"):
            source = load_source(config, progress)
            certified = certificate and read_certificate(
                certificate, config.model_dump(mode="json"), source.facts["fingerprint"]
            )
        with watch.stage("features"):
            found = find(source.market, config, entry, progress)
        with watch.stage("labels"):
            parts = slices(found, source.interval, config)
        fitted = train(config, parts, folder, resume=resumed, progress=progress)
    watch.seconds |= {"first_step": fitted.first_step_s, "train": fitted.train_s}
    if workspace is None:
        return end_together(strategy, out / folder.name, chief=False)

    with watch.stage("build"):
        model = builder(config, parts)()  # float32 whatever the training precision, and free of the optimizer
        model.set_weights(fitted.model.get_weights())
    with watch.stage("evaluate"):
        judged = judge_network(model, head, parts, source.market, config, fitted, progress)
    with watch.stage("export"):
        decision = Decision(parts.scalers, head, parts.priors, judged.thresholds, judged.calibrations)
        trained = Trained(model, parts.names, decision, entry.explains, config.seed)
        layers = save_files(folder, config.name, trained, feature_rows(parts.names), parts.examples)

    report = {"run": workspace.run, "data": source.facts, **facts_of(config, parts, model, layers, fitted)}
    ledger, symbols = Ledger(out / LEDGER), source.facts["symbols"]
    company = fitted.facts.get("ensemble", {}).get("company")
    report |= tried(ledger, judged.returns, run=workspace.run, symbols=symbols, config=config, combined=company)
    report |= {"timing_s": watch.report(), **judged.report, **fitted.facts}
    report["verdict"] += f"\n{deflated_sentence(report['deflated'])}"
    figures = judged.figures
    if certified:
        report["certificate"] = {key: certified[key] for key in ("real", *WORLDS)}
        figures = figures | {"certificate": draw(certified)}
    with disk_errors(folder):
        write_report(folder, report, figures)
    priors = None if parts.priors is None else parts.priors.tolist()
    calibrations = [calibration.tree() for calibration in judged.calibrations]
    known = {"priors": priors, "calibrations": calibrations, "test_cut": parts.split.test_cut.isoformat()}
    write_manifest(folder, config, run=workspace.run, data=source.facts | known, features=parts.names)
    return end_together(strategy, publish(workspace), chief=True)
