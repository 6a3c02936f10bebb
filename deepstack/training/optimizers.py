"""Keras' optimizers, set up for a step that has already averaged and clipped the gradient."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from deepstack.config.training import TrainingConfig

NOT_DECAYED = ["bias", "beta", "gamma", "gain", "scale"]
"""Parts of the names of weights that shift or scale a signal: decaying them regularises nothing."""


def make_optimizer(
    config: TrainingConfig, schedule: LearningRateSchedule, precision: str
) -> keras.optimizers.Optimizer:
    """The optimizer of `training.optimizer`, with decoupled weight decay where it has one.

    sgd uses Nesterov momentum 0.9. With mixed_float16 it is wrapped in Keras' LossScaleOptimizer. Unlike Keras'
    default it does not sum gradients over replicas: the step hands it the same, reduced gradient on each.
    """
    decay = config.weight_decay
    optimizer: keras.optimizers.Optimizer
    match config.optimizer:
        case "adam":
            optimizer = keras.optimizers.Adam(schedule)
        case "adamw":
            optimizer = keras.optimizers.AdamW(schedule, weight_decay=decay)
        case "lamb":
            optimizer = keras.optimizers.Lamb(schedule, weight_decay=decay)
        case "lion":
            optimizer = keras.optimizers.Lion(schedule, weight_decay=decay)
        case "sgd":
            optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True)
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    # Keras clips before its own all-reduce, which makes the clipped norm depend on the number of replicas; the step
    # reduces first, and a second reduction here would multiply the gradient by that number.
    optimizer._all_reduce_sum_gradients = _already_reduced
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer


def loss_scale(optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """What the loss must be multiplied by before its gradient is taken: 1 unless float16 needs more."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return tf.convert_to_tensor(optimizer.dynamic_scale.value)
    return tf.constant(1.0)


def _already_reduced(gradients_and_variables: Sequence[tuple]) -> Sequence[tuple]:
    return gradients_and_variables
