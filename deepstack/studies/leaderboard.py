"""Many models on the same folds and seeds, judged alike beside ensembles and baselines, as one table."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from deepstack.artifact.atomic import disk_errors
from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.market import closes
from deepstack.config.folds import FoldsConfig
from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError
from deepstack.evaluation.deflation import deflation
from deepstack.evaluation.ledger import LEDGER, Ledger, Made, Trial
from deepstack.evaluation.overfitting import backtest_overfitting, superiority
from deepstack.evaluation.question import ranking
from deepstack.evaluation.significance import Statistic, difference
from deepstack.labels.labelled import Labels, label
from deepstack.pipeline.market import Source, describe, load_source
from deepstack.pipeline.train import check
from deepstack.progress import Progress, no_progress
from deepstack.samples.folds import group_of, make_folds, paths
from deepstack.studies.answers import Answers, Store
from deepstack.studies.backends import Backend, in_parallel, require_returned
from deepstack.studies.board import SCORES, TRADED, Fit, Standing, Tested, standing
from deepstack.studies.fits import Job, fit_job
from deepstack.studies.members import unused_labels
from deepstack.studies.page import write_board
from deepstack.studies.same_samples import ENSEMBLES, NOT_COMBINED, Common, common

COSTS = ("seconds", "epochs", "parameters")


def leaderboard(
    configs: Sequence[RunConfig],
    out: Path,
    *,
    folds: FoldsConfig,
    seeds: Sequence[int] = (7,),
    workers: int = 1,
    backend: Backend = "loky",
    artifacts: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Fit every config on every fold and seed and judge them together.

    The first config's baselines stand beside them, and the ensembles of all. Whatever is fitted is stored in
    `<out>/fits` and not fitted again, so it can be broken off at any time. Writes `leaderboard.json`, `.csv`, `.html`
    and `plots/leaderboard.png` into `out`, and counts every strategy in the ledger of `artifacts`.

    Args:
        configs: one a model, with different names and the same labels, embargo and data.
        out: folder of the study.
        folds: scheme and counts.
        seeds: one training each.
        workers: fits at a time.
        backend: see `in_parallel`; it decides only where several workers run.
        artifacts: folder of finished runs, whose ledger counts what is tried; that which `out` stands in by default.
        progress: told of all long work.

    Returns:
        What leaderboard.json holds.

    Raises:
        ConfigError: configs that do not belong together.
        DataError: candles, folds or a ledger that cannot be used.
    """
    _require_belonging(configs)
    for config in configs:
        check(config)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    source = load_source(configs[0], progress)
    labels = label(source.market, configs[0].labels)
    store = Store(out / "fits", folds, fingerprint(source.market))
    first = configs[0]
    count = len(make_folds(labels.samples, closes(source.market), source.interval, folds, first.split.embargo_bars))
    jobs = [Job(first, store, tuple(seeds), baselines=True), *(Job(one, store, tuple(seeds)) for one in configs)]
    ledger = Ledger((artifacts or out.parent) / LEDGER)
    ledger.trials()  # what could not be read at the end is told before any work
    _read(jobs, count)
    todo = [job for job in jobs if job.missing(count)]
    names = ["baselines" if job.baselines else job.config.name for job in todo]
    if workers == 1 and backend == "loky":
        for number, (job, name) in enumerate(zip(todo, names, strict=True)):
            progress("models", number, len(todo), name)
            fit_job(job, count, source, progress)
        progress("models", len(todo), len(todo), "done")
    elif todo:
        calls = [(job, count) for job in todo]
        in_parallel(fit_job, calls, names, workers=workers, backend=backend, progress=progress)
        require_returned([job.config.name for job in todo if job.missing(count)], store.folder)
    report = _judge(jobs, count, source, labels, ledger, out.name, progress)
    with disk_errors(out):
        write_board(out, report)
    return report


def _judge(
    jobs: Sequence[Job], count: int, source: Source, labels: Labels, ledger: Ledger, run: str, progress: Progress
) -> dict[str, Any]:
    first, folds, seeds = jobs[0].config, jobs[0].store.folds, jobs[0].seeds
    answers = _read(jobs, count)
    fits = {key: common(each, labels, first.evaluation.calibration) for key, each in answers.items()}
    rows = np.unique(np.concatenate([one.test_rows for one in fits.values()]))
    group = group_of(labels.samples, closes(source.market), folds)
    tested = Tested(labels, source.market, first, paths(folds), group, rows)
    names = list(next(iter(fits.values())).models)
    standings = {}
    for number, name in enumerate(names):
        progress("judge", number, len(names), name)
        standings[name] = standing(name, fits, tested)
    progress("judge", len(names), len(names), "done")
    kinds = _kinds(jobs, names)
    known = _tried(standings, kinds, fits, answers, ledger, run, tuple(source.market))
    best = _best_baseline(standings, kinds)
    facts = _facts(answers, kinds)
    board: list[dict[str, Any]] = [
        {"model": name, "kind": kinds[name], **_row(one, standings[best], known, tested), **facts.get(name, {})}
        for name, one in standings.items()
    ]
    board.sort(key=lambda row: -(row["auc"]["mean"] or 0.0))
    return {
        "schema_version": 1,
        "data": source.facts | describe(source.market),
        "folds": folds.model_dump(mode="json"),
        "seeds": list(seeds),
        "labels": first.labels.model_dump(mode="json"),
        "samples": {
            "labelled": len(labels),
            "tested": len(rows),
            "left_out_as_unseen_by_a_model": sum(one.left_out for one in fits.values()),
            "fits": [_sizes(fold, seed, one) for (fold, seed), one in fits.items()],
        },
        "best_baseline": best,
        "best_baseline_by": "AUC on validation",
        "trials": max(row["trials"] for row in board),
        "snooping": _snooping(standings, first),
        "board": board,
    }


def _tried(
    standings: dict[str, Standing],
    kinds: dict[str, str],
    fits: dict[Fit, Common],
    answers: dict[Fit, list[Answers]],
    ledger: Ledger,
    run: str,
    symbols: tuple[str, ...],
) -> list[Trial]:
    """Every strategy goes into the ledger; all that is in it."""
    found = []
    for name, one in standings.items():
        for number, (output, returns) in enumerate(one.returns.items()):
            if kinds[name] == "ensemble":
                made = Made(0, len(fits), sum(1 + len(fit.dropped[number]) for fit in fits.values()))
            else:
                made = _made([each for answered in answers.values() for each in answered if each.model == name])
            kind = "training" if kinds[name] == "network" else kinds[name]
            found.append(Trial(kind, f"{name} {output}", run, symbols, returns, made))
    with disk_errors(ledger.path):
        ledger.append(found)
    return ledger.trials()


def _made(answers: Sequence[Answers]) -> Made:
    trainings, ensembles = (
        sum(int(one.facts.get(key, default)) for one in answers)
        for key, default in (("trainings", 1), ("ensembles", 0))
    )
    return Made(trainings, len(answers), ensembles)


def _row(one: Standing, best: Standing, known: Sequence[Trial], tested: Tested) -> dict[str, Any]:
    """Figures of one model."""
    resamples, seed = tested.config.evaluation.bootstrap_resamples, tested.config.seed
    symbols = tuple(tested.market)
    deflated = [deflation(daily, known, symbols, resamples, seed) for daily in one.returns.values()]
    return {
        **{key: _spread([row[key] for row in one.scores]) for key in SCORES},
        **{key: _spread([row[key] for row in one.traded]) for key in TRADED},
        **{key: _mean([block[key] for block in deflated]) for key in ("sharpe_daily", "deflated_sharpe")},
        "trials": max(block["trials"] for block in deflated),
        "auc_minus_best_baseline": _against(one, best, tested, resamples, seed),
        "fits": one.scores,
        "accounts": one.traded,
    }


def _require_belonging(configs: Sequence[RunConfig]) -> None:
    if not configs[0].evaluation.baselines:
        raise ConfigError(
            "evaluation.baselines",
            expected="one or more to compare with",
            received="none",
            remedy="[take_all, logistic]",
        )
    names = [config.name for config in configs]
    for name in names:
        taken = names.count(name) > 1 or name in (*ENSEMBLES, *configs[0].evaluation.baselines)
        if taken:
            raise ConfigError("name", expected="another name a model", received=repr(name), remedy="renaming one")
    first = configs[0]
    # What is asked and of which candles must be alike; what a kind of label or of data does not read need not be.
    unread = {
        "labels": unused_labels(first),
        "split": {"train", "validation"},
        "data": {"synthetic"} if first.data.paths else set(),
    }
    for config in configs[1:]:
        for room, unused in unread.items():
            ours, theirs = (getattr(one, room).model_dump(mode="json", exclude=unused) for one in (first, config))
            for key, value in ours.items():
                if theirs[key] != value:
                    raise ConfigError(
                        f"{config.name}: {room}.{key}",
                        expected=f"{value}, as {first.name}",
                        received=f"{theirs[key]}",
                        remedy=f"--set {room}.{key}=… for all of them",
                    )


def _read(jobs: Sequence[Job], count: int) -> dict[Fit, list[Answers]]:
    found: dict[Fit, list[Answers]] = {}
    for fold in range(count):
        for seed in jobs[0].seeds:
            each = [job.store.read(job.config, model, fold, seed) for job in jobs for model in job.models]
            found[fold, seed] = [one for one in each if one is not None]
    return found


def _kinds(jobs: Sequence[Job], names: Sequence[str]) -> dict[str, str]:
    baselines = set(jobs[0].models)
    return {name: "baseline" if name in baselines else "ensemble" if name in ENSEMBLES else "network" for name in names}


def _best_baseline(standings: dict[str, Standing], kinds: dict[str, str]) -> str:
    baselines = [name for name in standings if kinds[name] == "baseline"]
    return max(baselines, key=lambda name: standings[name].validation_auc)


def _against(one: Standing, best: Standing, tested: Tested, resamples: int, seed: int) -> dict[str, Any] | None:
    """Paired difference to the best baseline in AUC, the mean over folds and outputs, as the table's own column is."""
    if one is best:
        return None
    frame = tested.labels.samples.iloc[tested.rows].reset_index(drop=True)
    ours, theirs = (_mean_auc(each, tested) for each in (one, best))
    return asdict(difference(ours, theirs, frame, resamples, seed))


def _mean_auc(one: Standing, tested: Tested) -> Statistic:
    """Statistic: the mean AUC over folds and outputs, of probabilities averaged over seeds."""
    parts = []
    for (_, k), (rows, probability) in one.by_fold.items():
        at = np.searchsorted(tested.rows, rows)
        parts.append((at, ranking(tested.labels.codes[rows, k], probability)))

    def statistic(counts: np.ndarray) -> np.ndarray:
        return np.mean([part(counts[:, at]) for at, part in parts], axis=0)

    return statistic


def _snooping(standings: dict[str, Standing], config: RunConfig) -> dict[str, Any]:
    """Whether the best of all strategies, baselines included, earns more than nothing after allowing for the choice."""
    found = {}
    resamples, seed = config.evaluation.bootstrap_resamples, config.seed
    for output in next(iter(standings.values())).returns:
        tried = [one.returns[output] for one in standings.values()]
        days = tried[0].days
        returns = np.array([one.on(days) for one in tried]).T
        tests = superiority(returns, np.zeros(len(days)), resamples, seed)
        overfitted = backtest_overfitting(returns)
        found[output] = {
            "reality_check_p": None if tests is None else tests.reality_check,
            "spa_p": None if tests is None else tests.spa,
            "overfitting": None if overfitted is None else overfitted.probability,
            "strategies": len(tried),
        }
    return found


def _facts(answers: dict[Fit, list[Answers]], kinds: dict[str, str]) -> dict[str, dict[str, float]]:
    """Mean cost a fit of every model; an ensemble costs what all its members do."""
    known: dict[str, list[Any]] = {}
    for each in answers.values():
        for one in each:
            known.setdefault(one.model, []).append(one.facts)
    found = {
        name: {key: float(np.mean([fact[key] for fact in facts])) for key in COSTS if key in facts[0]}
        | {"longest_fit_seconds": max(fact["seconds"] for fact in facts)}
        for name, facts in known.items()
    }
    members = [one for name, one in found.items() if name not in NOT_COMBINED]
    together = {key: sum(one.get(key, 0.0) for one in members) for key in COSTS}
    return found | {name: together for name, kind in kinds.items() if kind == "ensemble"}


def _sizes(fold: int, seed: int, one: Common) -> dict[str, Any]:
    sizes = {"fold": fold, "seed": seed, "validation": len(one.validation_rows), "test": len(one.test_rows)}
    differ = [{key: value for key, value in each.items() if key != "pairs"} for each in one.diversity]
    return sizes | {"dropped_from_ensembles": one.dropped, "diversity": differ}


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and standard deviation; None where nothing is defined."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"mean": float(np.mean(known)) if known else None, "sd": deviation}


def _mean(values: Sequence[float | None]) -> float | None:
    return _spread(values)["mean"]
