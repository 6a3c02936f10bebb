"""Losses as one number a sample, so that weights, replicas and accumulation are handled in one place: the step."""

from collections.abc import Callable

import keras
import tensorflow as tf

SampleLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(y [batch, …], model outputs) → float32 [batch]."""


def binary_cross_entropy(label_smoothing: float = 0.0) -> SampleLoss:
    """Binary cross-entropy from logits, one value a sample.

    Args:
        label_smoothing: labels move this share of the way to 0.5 (Szegedy et al., 2016).

    Returns:
        (y float32 [batch] of 0 and 1, logits float32 [batch] or [batch, 1]) → nats, float32 [batch].
    """

    def loss(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        y, logits = tf.reshape(y, [-1, 1]), tf.reshape(tf.cast(logits, tf.float32), [-1, 1])
        return keras.losses.binary_crossentropy(y, logits, from_logits=True, label_smoothing=label_smoothing)

    return loss
