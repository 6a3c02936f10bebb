"""An ensemble: every member trained by itself, then settled on validation how they answer as one."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from deepstack.artifact.atomic import write_atomic
from deepstack.config.run import RunConfig
from deepstack.config.training import TrainingConfig
from deepstack.ensembles.members import RULE
from deepstack.errors import ArtifactError, ConfigError
from deepstack.models.ensemble.ensemble import EnsembleConfig, line_of_member
from deepstack.models.heads import head_of
from deepstack.models.options import read_options
from deepstack.pipeline.beginning import Begun, begin_with
from deepstack.pipeline.member import ensemble_of, of_member, seed_of_copy, seen_by
from deepstack.pipeline.pretrain import FOLDER as PRETRAINING
from deepstack.pipeline.samples import Slices
from deepstack.pipeline.settle_members import give, settled_on
from deepstack.pipeline.train_network import Weights, builder, train_network
from deepstack.progress import Progress, no_progress
from deepstack.training.fit import FitResult

FOLDER = "members"
FACTS = (
    "steps",
    "epochs",
    "batch_size",
    "replicas",
    "precision",
    "first_step_s",
    "train_s",
    "samples_per_s",
    "stopped_early",
)
"""Of a member's training, kept beside its weights."""
GEOMETRIC_RATE = 0.5
"""Peak rate of the short cycles as a share of the training's."""


def apart(config: RunConfig) -> bool:
    """Whether a config's network is made of members that are trained one by one."""
    options = ensemble_of(config)
    return options is not None and options.ensemble_method != "end_to_end"


def train_members(
    config: RunConfig, parts: Slices, folder: Path, *, resume: bool = False, progress: Progress = no_progress
) -> FitResult:
    """Train the members, drop who only hurts, and settle how the others are combined.

    Members are fitted and stopped inside the training slice, so that what they say on validation is out of fold for
    whatever learns from it.

    Args:
        config: of an ensemble.
        parts: its samples.
        folder: `members/` in it gets a folder and the weights of each; those that are there are not trained again.
        resume: go on with what is there.
        progress: told of every step.

    Returns:
        The one network. `validation` are its answers out of fold, `facts` who was dropped and how members differ.

    Raises:
        ConfigError: more copies by cycles than there are epochs.
    """
    options: EnsembleConfig = read_options(EnsembleConfig, config.model.options)
    require_cycles(options, config.training)
    head = head_of(config.labels, config.model)
    network = builder(config, parts)()
    results: list[FitResult] = []
    weights: dict[str, Weights] = {}
    fitting = parts.stopped_inside(config.split.embargo_bars)
    for model in options.models:
        names = [name for name, kind in options.members if kind == model]
        weights |= _copies(config, options, model, names, fitting, folder / FOLDER, results, resume, progress)
    for name, values in weights.items():
        network.get_layer(name).set_weights(list(values))
    settled, validation, company = settled_on(network, config, parts)
    give(network, settled, head, parts.priors)
    members = [name for name, _ in options.members]
    facts = {"ensemble": {"method": options.ensemble_method, "members": members, "rule": RULE, "company": company}}
    return _joined(results, network, validation, facts)


def _copies(
    config: RunConfig,
    options: EnsembleConfig,
    model: str,
    names: list[str],
    parts: Slices,
    folder: Path,
    results: list[FitResult],
    resume: bool,
    progress: Progress,
) -> dict[str, Weights]:
    """Weights of every copy of one member."""
    files = {name: folder / f"{name}.npz" for name in names}
    if resume and all(file.exists() for file in files.values()):
        known = {name: _read(file) for name, file in files.items()}
        results += [fitted for _, fitted in known.values()]
        return {name: weights for name, (weights, _) in known.items()}
    folder.mkdir(parents=True, exist_ok=True)
    seen = seen_by(line_of_member(options, model), parts)
    config = of_member(config, model)
    found: list[Weights] = []
    if options.copies_by == "seeds":
        for k, name in enumerate(names):
            if resume and files[name].exists():
                weights, known_fit = _read(files[name])
                found.append(weights)
                results.append(known_fit)
                continue
            seeded = config.model_copy(update={"seed": seed_of_copy(config.seed, k)})
            results.append(_fit(seeded, seen, folder / name, resume, progress))
            found.append(results[-1].model.get_weights())
            _write(files[name], found[-1], results[-1])
    else:
        start, begun = None, None
        training = config.training
        if options.copies_by == "geometric":
            results.append(_fit(config, seen, folder / f"{model}_before", resume, progress))
            start = results[-1].model.get_weights()
            rate = GEOMETRIC_RATE * training.learning_rate
            training = training.model_copy(update={"epochs": len(names), "learning_rate": rate})
        else:
            begun = begin_with(config, seen, folder / f"{model}_cycles", resume=resume, progress=progress)
        cycle = _cycles(training, len(names))
        kept = _EndOfCycle(cycle.schedule.period_epochs)
        cycling = config.model_copy(update={"training": cycle})
        results.append(_fit(cycling, seen, folder / f"{model}_cycles", False, progress, [kept], start, begun))
        found = list(kept.weights[: len(names)])
        for name, values in zip(names, found, strict=True):
            _write(files[name], values, results[-1])
    return dict(zip(names, found, strict=True))


def _fit(
    config: RunConfig,
    parts: Slices,
    folder: Path,
    resume: bool,
    progress: Progress,
    callbacks: list[keras.callbacks.Callback] | None = None,
    start: Weights | None = None,
    begun: Begun | None = None,
) -> FitResult:
    """One training; its checkpoints are let go when it is done."""

    def told(stage: str, *rest: Any) -> None:
        progress(f"{stage} {folder.name}", *rest)

    folder.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {"callbacks": callbacks or (), "start": start, "begun": begun}
    fitted = train_network(config, parts, folder, resume=resume, progress=told, **given)
    for place in (folder, folder / PRETRAINING):
        shutil.rmtree(place / "checkpoints", ignore_errors=True)
    return fitted


class _EndOfCycle(keras.callbacks.Callback):
    """Keeps the weights at the end of every cycle of the learning rate."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.weights: list[Weights] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if (epoch + 1) % self.epochs == 0:
            self.weights.append(self.model.get_weights())


def require_cycles(options: EnsembleConfig, training: TrainingConfig) -> None:
    """Refuse snapshots of more cycles than there are epochs, and cycles that a time limit would cut short.

    Raises:
        ConfigError: says how many epochs it takes, or that time cannot be limited.
    """
    if options.copies_by != "seeds" and training.minutes is not None:
        raise ConfigError(
            "training.minutes",
            expected=f"none with copies_by {options.copies_by}, whose copies stand at the ends of cycles",
            received=f"{training.minutes:g}",
            remedy="fewer training.epochs, or copies_by seeds",
        )
    if options.copies_by == "snapshots" and training.epochs < options.copies:
        raise ConfigError(
            "training.epochs",
            expected=f"{options.copies} or more, one a copy",
            received=str(training.epochs),
            remedy=f"training.epochs={options.copies}",
        )


def _cycles(training: TrainingConfig, copies: int) -> TrainingConfig:
    """Equal cosine cycles, one a copy, none of them cut short."""
    period = training.epochs // copies
    schedule = training.schedule.model_copy(
        update={"kind": "cosine_restarts", "period_epochs": period, "period_factor": 1.0, "warmup_share": 0.0}
    )
    epochs = period * copies
    return training.model_copy(update={"schedule": schedule, "epochs": epochs, "early_stopping_epochs": epochs})


def _joined(results: list[FitResult], network: keras.Model, validation: np.ndarray, facts: dict[str, Any]) -> FitResult:
    """What all trainings came to, those of an earlier part of the run included."""
    return FitResult(
        model=network,
        history=[],
        steps=sum(one.steps for one in results),
        epochs=max((one.epochs for one in results), default=0),
        batch_size=max((one.batch_size for one in results), default=0),
        replicas=max((one.replicas for one in results), default=1),
        precision=results[0].precision if results else "float32",
        first_step_s=sum(one.first_step_s for one in results),
        train_s=sum(one.train_s for one in results),
        samples_per_s=float(np.mean([one.samples_per_s for one in results])) if results else 0.0,
        stopped_early=any(one.stopped_early for one in results),
        validation=validation,
        facts=facts,
    )


def _write(path: Path, weights: Weights, fitted: FitResult) -> None:
    facts = json.dumps({name: getattr(fitted, name) for name in FACTS})

    def save(part_path: Path) -> None:
        with part_path.open("wb") as file:
            np.savez(file, *weights, facts=np.array(facts))

    write_atomic(path, save)


def _read(path: Path) -> tuple[list[np.ndarray], FitResult]:
    """Weights of a member, and what its training came to.

    Raises:
        ArtifactError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            weights = [file[f"arr_{k}"] for k in range(len(file.files) - 1)]
            return weights, FitResult(model=None, history=[], **json.loads(str(file["facts"])))
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise ArtifactError(
            str(path), expected="weights of a member", received=str(error), remedy="deleting it: it is trained again"
        ) from error
