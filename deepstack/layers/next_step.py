"""Learning to foresee the next step of a sequence: its normal log-likelihood."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


def next_step_nll(sequence: Any, foreseen: Any) -> Any:
    """Negative log-likelihood of each next step under what was foreseen, nats a feature and step, `[batch]`.

    Args:
        sequence: `[batch, time, features]`.
        foreseen: `[batch, time, 2 · features]`, mean and log-variance of the step after each.
    """
    features = sequence.shape[-1]
    foreseen = ops.cast(foreseen[:, :-1], "float32")
    mean, log_variance = foreseen[..., :features], ops.clip(foreseen[..., features:], -8.0, 8.0)
    error = ops.square(ops.cast(sequence[:, 1:], "float32") - mean)
    return 0.5 * ops.mean(error * ops.exp(-log_variance) + log_variance, axis=(1, 2))


@keras.saving.register_keras_serializable(package="deepstack")
class NextStepNll(keras.layers.Layer):
    """`next_step_nll` as the output of a model that is trained for nothing else, `[batch, 1]`."""

    def call(self, sequence: tf.Tensor, foreseen: tf.Tensor) -> tf.Tensor:
        """The loss of each sample."""
        return next_step_nll(sequence, foreseen)[:, None]

    def compute_output_shape(
        self, sequence_shape: tuple[int | None, ...], foreseen_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, 1]`."""
        return sequence_shape[0], 1


@keras.saving.register_keras_serializable(package="deepstack")
class KeepForeseeing(keras.layers.Layer):
    """Passes on what was foreseen and adds `weight` times its loss in training: fine-tuning then does not lose it."""

    def __init__(self, weight: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, sequence: tf.Tensor, foreseen: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Identity on `foreseen`."""
        if training:
            self.add_loss(self.weight * ops.mean(next_step_nll(sequence, foreseen)))
        return foreseen

    def compute_output_shape(
        self, sequence_shape: tuple[int | None, ...], foreseen_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of `foreseen`."""
        return foreseen_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "weight": self.weight}
