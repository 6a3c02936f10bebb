"""Reading a run's tensors and state out, and putting them back."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from deepstack.config.training import TrainingConfig
from deepstack.errors import ConfigError
from deepstack.samples.batches import Samples
from deepstack.training.checkpoint import Checkpoint, clear_checkpoints, load_checkpoint
from deepstack.training.prepare import Prepared
from deepstack.training.schedules import set_plateau
from deepstack.training.state import RunState

Values = list[np.ndarray]

WITHOUT_EFFECT = {"checkpoint_every_steps", "tensorboard"}
"""Settings that may differ when a run is resumed: they do not change what is learned."""


def model_values(model: keras.Model) -> Values:
    """All variables, random generators included: Keras' own weight files leave those out."""
    return [variable.numpy() for variable in model_variables(model)]


def model_variables(model: keras.Model) -> list[keras.Variable]:
    """Trainable variables, then the others."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    """Give each variable its value, on every replica."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def snapshot(run: Prepared, state: RunState, best: Values, identity: str) -> Checkpoint:
    """The run as it is now."""
    arrays = {"model": model_values(run.model), "optimizer": [v.numpy() for v in run.optimizer.variables], "best": best}
    return Checkpoint(state.step, arrays, {"identity": identity, "run": state.to_json()})


def begin(
    folder: Path, run: Prepared, config: TrainingConfig, identity: str, *, resume: bool, clear: bool
) -> tuple[RunState, Values]:
    """State and best weights a run begins with: those of its newest checkpoint when it resumes, else fresh ones.

    Args:
        folder: of the checkpoints.
        resume: put the newest checkpoint back into `run`; a run killed before its first begins at step 0.
        clear: a run that does not resume removes what an earlier one left, so that nobody resumes from it.

    Raises:
        ConfigError: the checkpoint belongs to another config, seed, model or data.
        ArtifactError: there are checkpoints, and every one is damaged.
    """
    if clear and not resume:
        clear_checkpoints(folder)
    stored = load_checkpoint(folder) if resume else None
    if stored is None:
        return RunState(), model_values(run.model)
    if stored.state["identity"] != identity:
        raise ConfigError(
            str(folder),
            expected="a checkpoint of the same config, seed, model and data",
            received=f"one of another run, at step {stored.step}",
            remedy="the config and data the run was started with, or a new run without --resume",
        )
    assign(model_variables(run.model), stored.arrays["model"])
    assign(run.optimizer.variables, stored.arrays["optimizer"])
    state = RunState.from_json(stored.state["run"])
    set_plateau(run.schedule, config.schedule, state.plateau_cuts)
    return state, stored.arrays["best"]


def run_identity(run: Prepared, config: TrainingConfig, seed: int, train: Samples, validation: Samples) -> str:
    """Digest of what decides the course of a run: settings, seed, batches, weight shapes, features and labels."""
    facts = {
        "config": config.model_dump(mode="json", exclude=WITHOUT_EFFECT),
        "seed": seed,
        "batch_size": run.plan.batch_size,
        "shapes": [list(variable.shape) for variable in model_variables(run.model)],
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for samples in (train, validation):
        for values in (*samples.arrays.values(), samples.index, samples.y, samples.weight):
            for part in (values,) if isinstance(values, np.ndarray) else values.parts:
                digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
