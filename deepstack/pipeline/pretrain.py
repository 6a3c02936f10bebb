"""Learning to foresee the next bar before learning to answer: the first training of a generative model."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deepstack.config.run import RunConfig
from deepstack.models.entry import Model
from deepstack.pipeline.samples import Slices
from deepstack.progress import Progress
from deepstack.samples.batches import Samples
from deepstack.training.fit import fit
from deepstack.training.objective import own_loss

FOLDER = "pretraining"

LayerWeights = Mapping[str, list[np.ndarray]]
"""Layer name → its weights."""


def pretrain(
    entry: Model, options: Any, parts: Slices, config: RunConfig, folder: Path, *, resume: bool, progress: Progress
) -> LayerWeights:
    """Train the generator of a catalogue line on the windows of the training slice.

    Args:
        entry: with a `generator`.
        options: the builder's.
        folder: the run's; `pretraining/` in it gets checkpoints and training.csv.
        resume: go on from the last checkpoint there; a finished pre-training is only read.

    Returns:
        Weights of the generator's layers, to be given to the model's layers of the same names.
    """
    assert entry.generator is not None
    training = config.training.model_copy(update={"epochs": config.training.pretrain_epochs})
    fitted = fit(
        partial(entry.generator, parts.shapes, options),
        own_loss(),
        _unlabelled(parts, parts.split.train),
        _unlabelled(parts, parts.split.validation),
        training,
        seed=config.seed,
        folder=folder / FOLDER,
        resume=resume,
        xla=entry.xla,
        progress=lambda stage, *rest: progress(FOLDER if stage == "train" else stage, *rest),
    )
    return {layer.name: layer.get_weights() for layer in fitted.model.layers}


def _unlabelled(parts: Slices, index: np.ndarray) -> Samples:
    nothing, alike = np.zeros((len(index), 1), np.float32), np.ones((len(index), 1), np.float32)
    return Samples(parts.inputs, index, nothing, alike)
