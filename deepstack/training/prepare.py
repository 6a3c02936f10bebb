"""Everything a training loop needs, made once under the run's strategy."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from deepstack.config.training import TrainingConfig
from deepstack.errors import ConfigError
from deepstack.samples.batches import BatchPlan
from deepstack.training.batch_size import auto_batch_size
from deepstack.training.losses import SampleLoss
from deepstack.training.optimizers import make_optimizer
from deepstack.training.schedules import WarmUp, learning_rate_schedule
from deepstack.training.step import Batch, make_predict_step, make_train_step
from deepstack.training.warm import Compiled, Slot


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model with its optimizer, its batches and its compiled functions (traced at their first call).

    Attributes:
        model, optimizer, schedule: variables live under the strategy.
        plan: which samples each step reads.
        last_step: steps of all epochs.
        train_step: batch → [Σ weight · loss, Σ weight, objective].
        predict_step: batch → outputs in sample order.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    schedule: WarmUp
    plan: BatchPlan
    last_step: int
    train_step: Callable[[Batch], tf.Tensor]
    predict_step: Callable[[Batch], tf.Tensor]

    @property
    def learning_rate(self) -> float:
        """Rate of the last step taken."""
        return float(self.schedule(tf.maximum(tf.convert_to_tensor(self.optimizer.iterations) - 1, 0)))


def prepare(
    build: Callable[[], keras.Model],
    config: TrainingConfig,
    loss: SampleLoss,
    strategy: tf.distribute.Strategy,
    precision: str,
    samples: int,
    seed: int,
    bytes_per_sample: float | None,
    xla: bool,
    warm: Slot | None = None,
) -> Prepared:
    """Build a model and what trains it; to be called inside the strategy's scope, under the dtype policy `precision`.

    Args:
        warm: where compiled steps of the same graph are kept; None compiles anew.

    Raises:
        ConfigError: a batch size that no step can use.
    """
    replicas = strategy.num_replicas_in_sync
    model = build()
    batch_size = config.batch_size
    if batch_size == "auto":
        batch_size = auto_batch_size(
            model, config.memory_gb, samples // config.accumulate_steps, replicas, bytes_per_sample
        )
    if batch_size < 1 or batch_size % replicas:
        raise ConfigError(
            "training.batch_size",
            expected=f"a positive multiple of the {replicas} replicas that share a batch",
            received=str(batch_size),
            remedy=f"training.batch_size={max(batch_size // replicas, 1) * replicas}",
        )
    plan = BatchPlan(samples, batch_size, config.accumulate_steps, seed)
    schedule = learning_rate_schedule(config, plan.steps_per_epoch)
    compiled = xla if config.jit_compile == "auto" else config.jit_compile

    def compile_with(model: keras.Model, rate: LearningRateSchedule) -> Compiled:
        optimizer = make_optimizer(config, rate, precision)
        optimizer.build(model.trainable_variables)
        # Keras' own fit is not used: compiling gives callbacks the optimizer they look for.
        model.compile(optimizer=optimizer, auto_scale_loss=False, jit_compile=compiled)
        train_step = make_train_step(model, optimizer, loss, strategy, clip_norm=config.clip_norm, jit_compile=compiled)
        return Compiled(model, optimizer, train_step, make_predict_step(model, strategy, jit_compile=compiled))

    if warm is None or replicas > 1:
        made = compile_with(model, schedule)
    else:
        made = warm.compiled(model, schedule, f"{batch_size} {compiled} {precision}", compile_with)
    last_step = config.epochs * plan.steps_per_epoch
    return Prepared(made.model, made.optimizer, schedule, plan, last_step, made.train_step, made.predict_step)
