"""Training one network on its samples: what comes before the loop, and the loop."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras

from deepstack.config.run import RunConfig
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.models.options import read_options
from deepstack.pipeline.beginning import Begun, begin_with, beginning, memories
from deepstack.pipeline.samples import Slices
from deepstack.pipeline.stored import with_stored_images
from deepstack.progress import Progress, no_progress
from deepstack.samples.augment import make_augment
from deepstack.training.fit import FitResult, fit
from deepstack.training.objective import objective_of
from deepstack.training.warm import Warm

Weights = Sequence[Any]
"""As `keras.Model.get_weights` gives them."""


def builder(config: RunConfig, parts: Slices) -> Callable[[], keras.Model]:
    """What makes the config's network for these samples."""
    head = head_of(config.labels, config.model)
    return partial(catalogue.build, config.model.name, parts.shapes, head, config.model.options)


def train_network(
    config: RunConfig,
    parts: Slices,
    folder: Path,
    *,
    resume: bool = False,
    progress: Progress = no_progress,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start: Weights | None = None,
    begun: Begun | None = None,
    warm: Warm | None = None,
) -> FitResult:
    """Train on the training slice, stop by the validation slice; a generative model learns to foresee bars first.

    Args:
        config: the run.
        parts: its samples.
        folder: gets training.csv and checkpoints.
        resume: go on from those checkpoints.
        progress: told of every step.
        callbacks: Keras callbacks.
        start: all weights to begin with; the builder's by default.
        begun: what some layers begin with; by default it is found out here.
        warm: compiled steps of earlier trainings; the result then shares its model with them.
    """
    entry, head = catalogue.line_of(config.model), head_of(config.labels, config.model)
    options: Any = read_options(entry.config, config.model.options)
    samples, validation = parts.samples(parts.split.train), parts.samples(parts.split.validation)
    build, objective = builder(config, parts), objective_of(head, config.training, parts.priors)
    shapes = parts.shapes
    if config.samples.images is not None and entry.draws is not None:
        samples, validation = with_stored_images(config, parts, entry.draws(options))
        shapes = {name: tuple(values.shape[1:]) for name, values in samples.arrays.items()}
        build = partial(catalogue.build, config.model.name, shapes, head, config.model.options)
    if start is not None:
        build = partial(_from_weights, build, start)
    else:
        found = begin_with(config, parts, folder, resume=resume, progress=progress) if begun is None else begun
        build = partial(beginning, build, found)
    known = config.model.name, config.model.options, shapes
    return fit(
        build,
        objective,
        samples,
        validation,
        config.training,
        seed=config.seed,
        folder=folder,
        resume=resume,
        callbacks=callbacks,
        progress=progress,
        augment=make_augment(config.samples.augment, windows=entry.sees != "bar", dated=entry.when),
        before_epoch=memories(config, parts),
        bytes_per_sample=entry.cost.bytes_per_sample(options) if entry.cost else None,
        xla=entry.xla,
        warm=None if warm is None else warm.slot(known, head, config.training, parts.priors),
    )


def _from_weights(build: Callable[[], keras.Model], weights: Weights) -> keras.Model:
    model = build()
    model.set_weights(list(weights))
    return model
