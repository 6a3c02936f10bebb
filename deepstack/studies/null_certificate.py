"""What would the score be without an edge? The whole pipeline rerun on worlds that have none."""

import json
import os
import tempfile
import time
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from deepstack.artifact.atomic import disk_errors, write_atomic
from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.mirror import mirrored
from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError, DataError
from deepstack.evaluation.certificate import CERTIFICATE, WORLDS, Score, World, certificate, draw
from deepstack.evaluation.ledger import LEDGER, Ledger, Trial
from deepstack.evaluation.moves import mean_class_auc
from deepstack.evaluation.report import json_ready, png
from deepstack.labels.labelled import Labels
from deepstack.models import catalogue
from deepstack.pipeline.answered import answered, daily_of, taken
from deepstack.pipeline.market import Source, load_source
from deepstack.pipeline.samples import find, slices
from deepstack.pipeline.train import check, train
from deepstack.pipeline.tried import made_by
from deepstack.progress import Progress, no_progress
from deepstack.studies.backends import Backend, in_parallel, require_returned
from deepstack.training.warm import Warm

RERUNS = 39
"""With so many the real score is best of all by luck once in forty times."""


def null_certificate(
    config: RunConfig,
    out: Path,
    *,
    reruns: int = RERUNS,
    minutes: float = 60.0,
    workers: int = 1,
    backend: Backend = "loky",
    artifacts: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Where does a config's score lie among those of worlds without an edge?

    In `mirrored` worlds the candles have no direction (see `deepstack.candles.mirror`); in `shifted` ones the labels
    are those of another time. Features, labels, split, selection, scaling, training and threshold are all made anew.
    What is done is kept in `<out>/scores.jsonl` and not done again; the ledger of `artifacts` counts the real run.
    Writes `certificate.json` and `certificate.png`.

    Args:
        config: the experiment.
        out: folder of the study.
        reruns: of each world.
        minutes: after which no new rerun is begun; what is there by then is reported.
        workers: reruns at a time.
        backend: see `in_parallel`.
        artifacts: folder of finished runs, whose ledger counts what is tried; that which `out` stands in by default.
        progress: told of all long work.

    Returns:
        What certificate.json holds: for each world and score the real one, the others', and the share of them, the
        real one counted, that is at least as good: its p-value.

    Raises:
        DataError: candles that cannot be used, or scores in `out` of another experiment.
    """
    if not minutes >= 0.0:
        raise ConfigError("minutes", expected="a number from 0 on", received=str(minutes), remedy="60")
    check(config)
    source = load_source(config, progress)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    _require_same(config, source, out)
    known = read_scores(out)
    jobs: list[tuple[World, int]] = [("real", 0)]
    jobs += [(world, number) for number in range(1, reruns + 1) for world in WORLDS]
    todo = [job for job in jobs if job not in {(score.world, score.number) for score in known}]
    ledger = (artifacts or out.parent) / LEDGER
    deadline = time.monotonic() + 60.0 * minutes
    while todo and (time.monotonic() < deadline or todo[0][0] == "real"):
        now, todo = todo[: max(1, workers)], todo[max(1, workers) :]
        progress("reruns", len(jobs) - len(todo) - len(now), len(jobs), f"{now[0][0]} {now[0][1] or ''}")
        if workers == 1 and backend == "loky":
            score_of(config, *now[0], out, ledger, source)
        else:
            calls = [(config, *job, out, ledger) for job in now]
            names = [f"{world} {number}" for world, number in now]
            in_parallel(score_of, calls, names, workers=workers, backend=backend, progress=progress)
            found = {(score.world, score.number) for score in read_scores(out)}
            require_returned([name for job, name in zip(now, names, strict=True) if job not in found], out)
    progress("reruns", len(jobs) - len(todo), len(jobs), "done" if not todo else "time is up")
    report = certificate(read_scores(out)) | {"config": config.model_dump(mode="json"), "data": source.facts}
    with disk_errors(out):
        text = json.dumps(json_ready(report), indent=2, allow_nan=False) + "\n"
        write_atomic(out / CERTIFICATE, lambda path: path.write_text(text, encoding="utf-8"))
        image = png(draw(report))
        write_atomic(out / "certificate.png", lambda path: path.write_bytes(image))
    return report


def score_of(
    config: RunConfig, world: World, number: int, out: Path, ledger: Path, source: Source | None = None
) -> Score:
    """Run the pipeline once in one world, write its score, and count the real one in the ledger."""
    started = time.perf_counter()
    source = source or load_source(config)
    seed = config.seed + 1000 * number
    market = mirrored(source.market, seed) if world == "mirrored" else source.market
    found = find(market, config, catalogue.line_of(config.model))
    if world == "shifted":
        found = replace(found, labels=shifted(found.labels, seed))
    config = config.model_copy(update={"seed": seed % 2**31})
    parts = slices(found, source.interval, config)
    with tempfile.TemporaryDirectory() as folder:
        fitted = train(config, parts, Path(folder), warm=_warm())
    said = answered(config, parts, fitted)
    trades = list(taken(config, parts, said))
    gross = [one.trades["gross_r"].to_numpy()[one.chosen].mean() if one.chosen.any() else 0.0 for one in trades]
    auc = mean_class_auc(parts.labels.codes[parts.split.test], said.test)
    seconds = time.perf_counter() - started
    assert auc is not None  # every slice holds every class, or there would be no slices
    score = Score(
        world, number, auc, float(np.mean(gross)), float(np.mean([one.chosen.sum() for one in trades])), seconds
    )
    if world == "real":  # a training, a threshold and a look at the test slice as any other
        symbols = tuple(source.market)
        Ledger(ledger).append(
            [
                Trial("training", f"{config.model.name} {output}", out.name, symbols, daily, made_by(fitted))
                for output, daily in daily_of(trades, config, market).items()
            ]
        )
    _append(out, score)
    return score


def shifted(labels: Labels, seed: int) -> Labels:
    """The same moments with the answers of other moments: each symbol's shifted around the circle of its own samples.

    The shift is between a quarter and three quarters of the circle, drawn anew for each symbol's share but alike for
    all, so that answers stay as alike between symbols and neighbours as they are.
    """
    share = np.random.default_rng(seed).uniform(0.25, 0.75)
    source = np.arange(len(labels))
    for rows in labels.samples.groupby("symbol", sort=False).indices.values():
        source[rows] = np.roll(rows, int(share * len(rows)))
    fixed = {"symbol", "decision_time", "entry_time", "end_time"}
    moved = {
        column: labels.samples[column].to_numpy()[source]
        for column in labels.samples.columns
        if column not in fixed and not column.startswith("end_")
    }
    return replace(
        labels,
        samples=labels.samples.assign(**moved),
        codes=labels.codes[source],
        outcome_r=labels.outcome_r[source],
        cost_r=labels.cost_r[source],
    )


def read_scores(out: Path) -> list[Score]:
    """What has been done; a line cut off by a kill is passed over."""
    path = out / "scores.jsonl"
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    found: dict[tuple[str, int], Score] = {}
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            score = Score(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}:{number}",
                expected="a score",
                received=str(error),
                remedy="deleting the line: it is made again",
            ) from error
        found.setdefault((score.world, score.number), score)
    return list(found.values())


@cache
def _warm() -> Warm:
    """All reruns of a process train one graph; compiled anew each time, some seventy exhaust its memory maps."""
    return Warm()


def _append(out: Path, score: Score) -> None:
    path = out / "scores.jsonl"
    with disk_errors(out), FileLock(out / ".scores.lock"):
        whole = path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0
        with path.open("ab") as file:
            file.truncate(whole)
            file.write((json.dumps(asdict(score)) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())


def _require_same(config: RunConfig, source: Source, out: Path) -> None:
    """Refuse to mix the scores of two experiments."""
    known = {
        "config": config.model_dump(mode="json", exclude={"data": {"paths"}, "tuning": True}),
        "data": fingerprint(source.market),
    }
    path = out / "experiment.json"
    if not path.exists():
        write_atomic(path, lambda part: part.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8"))
    elif path.read_text(encoding="utf-8") != json.dumps(known, indent=2) + "\n":
        raise DataError(
            str(out), expected="scores of this experiment", received="those of another", remedy="another --out"
        )
