"""Losses as one number a sample and output: weights, replicas and accumulation are handled in one place, the step."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from deepstack.config.training import TrainingConfig
from deepstack.models.heads import Head

SampleLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(y [batch, outputs, classes + 2], raw outputs) → float32 [batch, outputs].

The first columns of `y` are the share of each class, one-hot unless samples were mixed; the last two are the outcome
and the cost in R.
"""


def make_loss(head: Head, config: TrainingConfig, priors: np.ndarray | None = None) -> SampleLoss:
    """The loss of a config for a head; a head with a variance adds the likelihood of the outcome's spread.

    Args:
        head: what the raw outputs mean.
        config: `loss`, `focal_gamma`, `direction_penalty` and `label_smoothing`.
        priors: [outputs, classes], shares of the classes where the samples' weights balance them; None where they do
            not.
    """
    loss = _LOSSES[config.loss](head, config, priors)
    if not head.aleatoric:
        return loss
    return lambda y, raw: loss(y, raw) + _spread(head, y, raw)


def cross_entropy(head: Head, smoothing: float = 0.0) -> SampleLoss:
    """The plain cross-entropy of a head, nats; a predicted variance takes no part."""
    return _of_logits(head, lambda y, logits: _cross_entropy(y, logits, smoothing))


def _cross_entropy_of(head: Head, config: TrainingConfig, priors: np.ndarray | None) -> SampleLoss:
    return cross_entropy(head, config.label_smoothing)


def _focal_of(head: Head, config: TrainingConfig, priors: np.ndarray | None) -> SampleLoss:
    return _of_logits(head, lambda y, logits: _focal(y, logits, config.focal_gamma, config.label_smoothing))


def _trading_of(head: Head, config: TrainingConfig, priors: np.ndarray | None) -> SampleLoss:
    """Minus the result of holding P(buy) − P(sell), or P(won), after costs, plus `penalty` times the cross-entropy.

    The result alone is flat wherever the model is sure, right or wrong; the cross-entropy pulls it back. Where weights
    balance the classes, that is for the cross-entropy alone: the result is freed of it, and its position follows the
    corrected probabilities, those that will be traded.
    """
    direction, offset = cross_entropy(head, config.label_smoothing), head.prior_offset(priors).astype(np.float32)
    balance = np.ones((1, head.classes)) if priors is None else 1.0 / (head.classes * np.asarray(priors))
    balance = balance.astype(np.float32)

    def loss(y: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
        probability = head.probabilities(tf.cast(raw, tf.float32), offset)
        position = probability[..., -1] - (probability[..., 0] if head.classes > 2 else 0.0)
        result = position * y[..., -2] - tf.abs(position) * y[..., -1]
        weighed_by = tf.reduce_sum(y[..., :-2] * balance, axis=-1)
        return config.direction_penalty * direction(y, raw) - result / weighed_by

    return loss


_LOSSES: dict[str, Callable[[Head, TrainingConfig, np.ndarray | None], SampleLoss]] = {
    "cross_entropy": _cross_entropy_of,
    "focal": _focal_of,
    "trading": _trading_of,
}


def _spread(head: Head, y: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
    """Negative log-likelihood of a normal outcome about zero, without its constant (Nix & Weigend 1994)."""
    variance = head.split(tf.cast(raw, tf.float32))[1][..., 0]
    return 0.5 * (tf.math.log(variance) + tf.square(y[..., -2]) / variance)


def _of_logits(head: Head, loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> SampleLoss:
    return lambda y, raw: loss(y[..., :-2], head.split(tf.cast(raw, tf.float32))[0])


def _cross_entropy(y: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Nats; smoothed labels after Szegedy et al. 2016."""
    if logits.shape[-1] == 1:
        return keras.losses.binary_crossentropy(y[..., 1:], logits, from_logits=True, label_smoothing=smoothing)
    return keras.losses.categorical_crossentropy(y, logits, from_logits=True, label_smoothing=smoothing)


def _focal(y: tf.Tensor, logits: tf.Tensor, gamma: float, smoothing: float) -> tf.Tensor:
    """Lin et al. 2017, Focal loss for dense object detection, without its class weight: that is the sample weight's."""
    if logits.shape[-1] == 1:
        return keras.losses.binary_focal_crossentropy(
            y[..., 1:], logits, gamma=gamma, from_logits=True, label_smoothing=smoothing
        )
    return keras.losses.categorical_focal_crossentropy(
        y, logits, alpha=1.0, gamma=gamma, from_logits=True, label_smoothing=smoothing
    )
