"""From a network's raw outputs to probabilities and decisions, in a graph."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from deepstack.calibration import SMALLEST, Calibration
from deepstack.models.heads import Head


@dataclass(frozen=True, eq=False)
class Decision:
    """What turns unscaled features into a decision, apart from the network.

    Attributes:
        scalers: input → fitted pipeline; an input without one reaches the network as it is.
        head: what the network's outputs mean.
        priors: [outputs, classes], shares that balanced training has hidden; None when it was not balanced.
        thresholds: [outputs], of the probability of winning, or of |P(buy) − P(sell)|.
        calibrations: of the probabilities, one an output; none calibrates nothing.
    """

    scalers: Mapping[str, Any]
    head: Head
    priors: np.ndarray | None
    thresholds: tuple[float, ...]
    calibrations: tuple[Calibration, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """What an output's classes are called."""
        return ("loss", "win") if self.head.classes == 2 else ("sell", "hold", "buy")


def probabilities(raw: tf.Tensor, known: tf.Tensor, decision: Decision) -> tf.Tensor:
    """Corrected to priors and calibrated: float32 [batch, outputs, classes], NaN where not `known`, bool [batch]."""
    offset = tf.constant(decision.head.prior_offset(decision.priors), tf.float32)
    calibrated = _calibrated(decision.head.probabilities(raw, offset), decision.calibrations)
    return tf.where(known[:, None, None], calibrated, math.nan)


def lean(probability: tf.Tensor) -> tf.Tensor:
    """What a decision follows: P(won) of two classes, P(buy) − P(sell) of three; [..., classes] to [...]."""
    if probability.shape[-1] == 2:
        return probability[..., 1]
    return probability[..., -1] - probability[..., 0]


def answers(raw: tf.Tensor, known: tf.Tensor, decision: Decision) -> dict[str, tf.Tensor]:
    """What `serving_default` returns, for raw outputs of the network and whether a sample's inputs are all finite."""
    head = decision.head
    thresholds = tf.constant(decision.thresholds, tf.float32)
    probability = probabilities(raw, known, decision)
    _, variance = head.split(raw)
    more = {} if variance is None else {"aleatoric": variance[..., 0]}
    if head.kind == "binary":
        won = probability[:, 0, 1]
        return {"probability": won, "decision": won >= thresholds[0], **{k: v[:, 0] for k, v in more.items()}}
    side = lean(probability)
    taken = tf.abs(side) >= thresholds
    return {
        "probability": probability,
        "confidence": tf.reduce_max(probability, axis=-1),
        "prediction": tf.argmax(probability, axis=-1, output_type=tf.int32),
        "decision": tf.where(taken, tf.where(side >= 0.0, 1, -1), 0),
        **more,
    }


def _calibrated(probability: tf.Tensor, calibrations: Sequence[Calibration]) -> tf.Tensor:
    """`Calibration.__call__` of each output, in the graph; [batch, outputs, classes]."""
    if not any(calibration.changes for calibration in calibrations):
        return probability
    outputs = zip(tf.unstack(probability, axis=1), calibrations, strict=True)
    return tf.stack([_calibrated_one(given, calibration) for given, calibration in outputs], axis=1)


def _calibrated_one(probability: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    if calibration.knots:
        if len(calibration.knots) == 1:
            won = _joined(probability[:, 1], *calibration.knots[0])
            return tf.stack([1.0 - won, won], axis=1)
        each = [_joined(probability[:, k], *knots) for k, knots in enumerate(calibration.knots)]
        return tf.linalg.normalize(tf.stack(each, axis=1), ord=1, axis=1)[0]
    logits = calibration.slope * tf.math.log(tf.clip_by_value(probability, SMALLEST, 1.0))
    return tf.nn.softmax(logits + tf.constant(calibration.offset or (0.0,), tf.float32))


def _joined(values: tf.Tensor, knots: Sequence[float], becomes: Sequence[float]) -> tf.Tensor:
    """`np.interp` with rising knots."""
    x, y = (np.asarray(each, np.float32) for each in (knots, becomes))
    if len(x) == 1:
        return tf.fill(tf.shape(values), y[0])
    last = tf.clip_by_value(tf.searchsorted(x, values, side="right"), 1, len(x) - 1)
    low, high = tf.gather(x, last - 1), tf.gather(x, last)
    share = tf.clip_by_value(tf.math.divide_no_nan(values - low, high - low), 0.0, 1.0)
    return tf.gather(y, last - 1) + share * (tf.gather(y, last) - tf.gather(y, last - 1))
