"""Fitting one config, or the baselines, on every fold and seed of a study; what is stored is not fitted again.

Every model is fitted and stopped inside the training slice, so that what it says on validation is out of fold for the
ensembles, calibrations and thresholds that learn there.
"""

import gc
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from deepstack.artifact.model import class_probabilities
from deepstack.candles.market import Market, closes
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import TRAININGS, Predictions
from deepstack.labels.labelled import label
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.pipeline.judgement import baselines_stopped_inside
from deepstack.pipeline.market import Source, load_source
from deepstack.pipeline.samples import Found, Slices, find, part, slices
from deepstack.pipeline.train import train
from deepstack.pipeline.tried import made_by
from deepstack.progress import Progress, no_progress
from deepstack.samples.folds import make_folds
from deepstack.samples.split import Split
from deepstack.studies.answers import Answers, Store
from deepstack.training.warm import Warm

KEY = ["symbol", "decision_time"]


@dataclass(frozen=True, eq=False)
class Job:
    """All fits of one config.

    Attributes:
        config: the experiment.
        store: where its fits go.
        seeds: one training each.
        baselines: fit the config's baselines on what it sees, in place of its network.
    """

    config: RunConfig
    store: Store
    seeds: tuple[int, ...]
    baselines: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """Names on the leaderboard."""
        return tuple(self.config.evaluation.baselines) if self.baselines else (self.config.name,)

    def missing(self, folds: int) -> list[tuple[int, int]]:
        """(fold, seed) of what is not stored yet."""
        return [
            (fold, seed)
            for fold in range(folds)
            for seed in self.seeds
            if not all(self.store.path(self.config, model, fold, seed).exists() for model in self.models)
        ]


def fit_job(job: Job, folds: int, source: Source | None = None, progress: Progress = no_progress) -> int:
    """Make and store what is missing of a job.

    Args:
        job: config, seeds and place.
        folds: how many folds the study has.
        source: the candles, where the caller holds them.
        progress: told of every step of training.

    Returns:
        How many fits were made.
    """
    missing = job.missing(folds)
    if not missing:
        return 0
    source = source or load_source(job.config, progress)
    entry = catalogue.line_of(job.config.model)
    found = find(source.market, job.config, entry, progress)
    rows = rows_among(found, source.market, job.config)
    splits = folds_of(found.labels.samples, source.market, job)
    warm = Warm()
    for fold, seed in missing:
        config = job.config.model_copy(update={"seed": seed})
        parts = slices(found.copy(), source.interval, config, splits[fold])
        made = _baselines(config, parts, progress) if job.baselines else _network(config, parts, warm, progress)
        for model, predictions, facts in made:
            where = rows[parts.split.validation], rows[parts.split.test]
            given = predictions.validation, predictions.test
            job.store.write(job.config, Answers(model, fold, seed, *given, *where, facts=facts))
    keras.utils.clear_session()
    gc.collect()
    return len(missing)


def folds_of(samples: pd.DataFrame, market: Market, job: Job) -> list[Split]:
    """The folds of the study, divided among the samples that this config sees."""
    interval = next(iter(market.values())).interval
    return make_folds(samples, closes(market), interval, job.store.folds, job.config.split.embargo_bars)


def rows_among(found: Found, market: Market, config: RunConfig) -> np.ndarray:
    """Where the samples a config sees stand among all labelled ones, int64."""
    everyone = pd.MultiIndex.from_frame(label(market, config.labels).samples[KEY])
    return everyone.get_indexer(pd.MultiIndex.from_frame(found.labels.samples[KEY]))


Made = Iterator[tuple[str, Predictions, dict[str, float]]]


def _network(config: RunConfig, parts: Slices, warm: Warm, progress: Progress) -> Made:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fitted = train(
            config, parts.stopped_inside(config.split.embargo_bars), Path(folder), progress=progress, warm=warm
        )
    made = made_by(fitted)
    facts = {
        "seconds": time.perf_counter() - started,
        "epochs": float(fitted.epochs),
        "parameters": float(fitted.model.count_params()),
        "trainings": float(made.trainings),
        "ensembles": float(made.ensembles),
    }
    head = head_of(config.labels, config.model)
    split = parts.split
    validation, test = (
        class_probabilities(fitted.model, head, part(parts.inputs, index), parts.priors)
        for index in (split.validation, split.test)
    )
    yield config.name, Predictions(validation, test), facts


def _baselines(config: RunConfig, parts: Slices, progress: Progress) -> Made:
    for name in config.evaluation.baselines:
        started = time.perf_counter()
        alone = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"baselines": (name,)})})
        each = range(len(parts.labels.outputs))
        outputs = [baselines_stopped_inside(parts, k, alone, progress)[name] for k in each]
        trainings = float(TRAININGS.get(name, 1) * len(outputs))
        yield name, _stacked(outputs), {"seconds": time.perf_counter() - started, "trainings": trainings}


def _stacked(outputs: Sequence[Predictions]) -> Predictions:
    validation, test = (np.stack(each, axis=1) for each in zip(*((o.validation, o.test) for o in outputs), strict=True))
    return Predictions(validation, test)
