"""The SavedModel that TensorFlow Serving loads: unscaled features in, probabilities and decisions out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from deepstack.artifact.fold import folded_call
from deepstack.artifact.warmup import write_warmup
from deepstack.calibration import SMALLEST, Calibration
from deepstack.features.scale import scaler_constants
from deepstack.models.heads import Head

CONSTANT_LIMIT_BYTES = 1_000_000_000
"""Weights up to here become constants of the graph, which protobuf limits to 2 GB; larger models keep variables."""

RAW = "raw"
"""What the network's own output is called among those of its layers."""


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


def export_saved_model(
    folder: Path,
    model: keras.Model,
    decision: Decision,
    examples: Mapping[str, np.ndarray],
    name: str,
    shows: Mapping[str, str] | None = None,
) -> None:
    """Write `folder` as one version of a servable: `saved_model.pb`, `variables/`, `assets.extra/`.

    `serving_default` takes the model's inputs, `features` float32 [batch, …, features] and any others, unscaled, in the
    order of the feature list. For a binary head it returns `probability` float32 [batch] and `decision` bool [batch];
    else `probability` float32 [batch, outputs, classes], `confidence` float32 [batch, outputs], the largest of them,
    `prediction` int32 [batch, outputs], its class, and `decision` int32 [batch, outputs], -1 sell, 0 nothing, 1 buy.
    A head with a variance adds `aleatoric` float32 [batch, outputs], in R². It is float32 whatever the training
    precision. A sample with a value that is not finite has probability NaN and decides for nothing.

    Args:
        folder: `serving/<name>/<version>`; made here.
        model: trained, functional.
        decision: scaling, head, priors and thresholds, which go into the graph.
        examples: input → real unscaled samples for warm-up.
        name: the servable's name, written into the warm-up requests.
        shows: output → layer, further outputs that tell how an answer came about: attention, a gate, recalled episodes.
    """
    module = tf.Module()
    module.held = []
    constant = 4 * model.count_params() < CONSTANT_LIMIT_BYTES

    def hold(weight: np.ndarray) -> tf.Tensor:
        if constant:
            return tf.constant(weight)
        module.held.append(tf.Variable(weight, trainable=False))
        return module.held[-1]

    shown = {key: model.get_layer(layer).output for key, layer in (shows or {}).items()}
    network = folded_call(keras.Model(model.input, {RAW: model.output, **shown}), hold)
    scales = {key: [tf.constant(v) for v in scaler_constants(scaler)] for key, scaler in decision.scalers.items()}

    def scale(key: str, values: tf.Tensor) -> tf.Tensor:
        if key not in scales:
            return values
        low, high, mean, deviation = scales[key]
        return (tf.clip_by_value(values, low, high) - mean) / deviation

    specs = {key: tf.TensorSpec(tensor.shape, tensor.dtype, name=key) for key, tensor in model.input.items()}

    @tf.function(input_signature=[specs], autograph=False)
    def serve(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        scaled, known = dict(inputs), tf.constant(True)
        for key, values in inputs.items():
            if values.dtype != tf.float32:
                continue
            # A ReLU turns NaN into 0, so a missing value would come out as a plausible probability.
            finite = tf.math.is_finite(values)
            known &= tf.reduce_all(finite, axis=list(range(1, len(values.shape))))
            scaled[key] = scale(key, tf.where(finite, values, 0.0))
        outputs = {key: tf.cast(value, tf.float32) for key, value in network(scaled).items()}
        return _answers(outputs.pop(RAW), known, decision) | outputs

    concrete = serve.get_concrete_function()
    if constant:
        module.serve = _frozen(concrete)
    else:
        module.held, module.serve = list(concrete.variables), serve  # those the graph uses, and no others
    signature = module.serve if constant else concrete
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})
    write_warmup(folder / "assets.extra", name, examples)


def _answers(raw: tf.Tensor, known: tf.Tensor, decision: Decision) -> dict[str, tf.Tensor]:
    head = decision.head
    offset = tf.constant(head.prior_offset(decision.priors), tf.float32)
    thresholds = tf.constant(decision.thresholds, tf.float32)
    calibrated = _calibrated(head.probabilities(raw, offset), decision.calibrations)
    probability = tf.where(known[:, None, None], calibrated, math.nan)
    _, variance = head.split(raw)
    more = {} if variance is None else {"aleatoric": variance[..., 0]}
    if head.kind == "binary":
        won = probability[:, 0, 1]
        return {"probability": won, "decision": won >= thresholds[0], **{k: v[:, 0] for k, v in more.items()}}
    lean = probability[..., -1] - probability[..., 0]
    taken = tf.abs(lean) >= thresholds
    return {
        "probability": probability,
        "confidence": tf.reduce_max(probability, axis=-1),
        "prediction": tf.argmax(probability, axis=-1, output_type=tf.int32),
        "decision": tf.where(taken, tf.where(lean >= 0.0, 1, -1), 0),
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


def _frozen(concrete: tf.types.experimental.ConcreteFunction) -> tf.types.experimental.GenericFunction:
    """The same function with every weight a constant, under the same names."""
    frozen = convert_variables_to_constants_v2(concrete)
    names = sorted(concrete.structured_outputs)
    (specs,) = concrete.structured_input_signature[0]

    @tf.function(input_signature=[specs], autograph=False)
    def serve(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return dict(zip(names, tf.nest.flatten(frozen(*tf.nest.flatten(inputs))), strict=True))

    return serve
