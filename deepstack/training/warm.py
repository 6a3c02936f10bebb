"""Compiled training steps kept for the next training of the same graph, so that only the first of many compiles.

Weights, optimizer state and learning rate are values of a compiled step, not parts of it: a kept step is given fresh
ones. What is built into the graph, a dropout rate or a loss, makes it another graph.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from deepstack.config.training import TrainingConfig
from deepstack.models.heads import Head
from deepstack.training.step import Batch

NOT_IN_THE_GRAPH = {
    "learning_rate",
    "schedule",
    "epochs",
    "pretrain_epochs",
    "early_stopping_epochs",
    "checkpoint_every_steps",
    "tensorboard",
    "batch_size",
    "memory_gb",
}


@dataclass(frozen=True, eq=False)
class Compiled:
    """A model with its optimizer and its two functions."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    train_step: Callable[[Batch], tf.Tensor]
    predict_step: Callable[[Batch], tf.Tensor]


@keras.saving.register_keras_serializable("deepstack")
class Given(LearningRateSchedule):
    """The rate that was last put into a variable."""

    def __init__(self) -> None:
        self.value = keras.Variable(0.0, trainable=False, name="given_learning_rate")

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return tf.convert_to_tensor(self.value.value)

    def get_config(self) -> dict:
        return {}


@dataclass(frozen=True, eq=False)
class _Kept:
    compiled: Compiled
    rate: Given
    optimizer_start: Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class Warm:
    """Kept steps, the least recently used forgotten first.

    Attributes:
        most: kept at a time, with their weights and optimizer state.
    """

    most: int = 3
    _kept: "OrderedDict[str, _Kept]" = field(default_factory=OrderedDict, repr=False)

    def slot(self, network: object, head: Head, config: TrainingConfig, priors: np.ndarray | None) -> "Slot":
        """The place for steps of a network.

        Args:
            network: what tells its graph from others: name, options, shapes; by its `repr`.
            head: what it is asked.
            config: how it is trained.
            priors: counted in where the loss holds them.
        """
        facts: list[Any] = [network, head, config.model_dump(mode="json", exclude=NOT_IN_THE_GRAPH)]
        if config.loss == "trading":
            facts.append(None if priors is None else priors.tolist())
        return Slot(self, repr(facts))

    def get(self, key: str) -> _Kept | None:
        """What is kept under a key."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: str, kept: _Kept) -> None:
        """Keep, and forget what is too much."""
        self._kept[key] = kept
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)


@dataclass(frozen=True, eq=False)
class Slot:
    """Where one training looks for its step.

    Attributes:
        warm: all that is kept.
        identity: of network, head, settings and loss.
    """

    warm: Warm
    identity: str

    def compiled(
        self,
        model: keras.Model,
        schedule: LearningRateSchedule,
        more: str,
        make: Callable[[keras.Model, LearningRateSchedule], Compiled],
    ) -> Compiled:
        """A compiled step that starts where `model` stands and follows `schedule`.

        Args:
            model: fresh; where its graph is known, its weights go into the model that was compiled then.
            schedule: step → rate, asked before every step.
            more: what else is built into the step.
            make: compiles.
        """
        key = f"{self.identity} {more}"
        kept = self.warm.get(key)
        if kept is None:
            rate = Given()
            compiled = make(model, rate)
            kept = _Kept(compiled, rate, [variable.numpy() for variable in compiled.optimizer.variables])
            self.warm.put(key, kept)
        else:
            _assign(kept.compiled.model.variables, [variable.numpy() for variable in model.variables])
            _assign(kept.compiled.optimizer.variables, kept.optimizer_start)
            kept.compiled.model.stop_training = False
        one, rate = kept.compiled, kept.rate

        def train_step(batch: Batch) -> tf.Tensor:
            rate.value.assign(schedule(tf.convert_to_tensor(one.optimizer.iterations)))
            return one.train_step(batch)

        return Compiled(one.model, one.optimizer, train_step, one.predict_step)


def _assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
