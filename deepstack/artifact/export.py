"""The SavedModel that TensorFlow Serving loads: unscaled features in, probability and decision out."""

import math
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from deepstack.artifact.fold import folded_call
from deepstack.artifact.warmup import write_warmup

CONSTANT_LIMIT_BYTES = 1_000_000_000
"""Weights up to here become constants of the graph, which protobuf limits to 2 GB; larger models keep variables."""


@dataclass(frozen=True)
class Decision:
    """What turns scaled features' logit into a decision on unscaled features.

    Attributes:
        low, high, mean, scale: float32 [features]; scaled = (clip(x, low, high) − mean) / scale.
        prior: share of winners that balanced training has hidden; the logit moves by log(prior / (1 − prior)). None
            when training was not balanced.
        threshold: a trade is taken from this probability on.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    prior: float | None
    threshold: float

    @property
    def offset(self) -> float:
        """What is added to the logit."""
        return 0.0 if self.prior is None else math.log(self.prior / (1.0 - self.prior))


def export_saved_model(folder: Path, model: keras.Model, decision: Decision, examples: np.ndarray, name: str) -> None:
    """Write `folder` as one version of a servable: `saved_model.pb`, `variables/`, `assets.extra/`.

    `serving_default` takes `features`, float32 [batch, features], unscaled, in the order of the feature list, and
    returns `probability` float32 [batch] and `decision` bool [batch]. It is float32 whatever the training precision. A
    row with a value that is not finite has probability NaN and decision False.

    Args:
        folder: `serving/<name>/<version>`; made here.
        model: trained, functional, one input `features`.
        decision: scaling, prior and threshold, which go into the graph.
        examples: float32 [rows, features], real unscaled rows for warm-up.
        name: the servable's name, written into the warm-up requests.
    """
    module = tf.Module()
    module.held = []
    constant = 4 * model.count_params() < CONSTANT_LIMIT_BYTES

    def hold(weight: np.ndarray) -> tf.Tensor:
        if constant:
            return tf.constant(weight)
        module.held.append(tf.Variable(weight, trainable=False))
        return module.held[-1]

    network = folded_call(model, hold)
    low, high, mean, scale = (tf.constant(v) for v in (decision.low, decision.high, decision.mean, decision.scale))
    offset, threshold = tf.constant(decision.offset, tf.float32), tf.constant(decision.threshold, tf.float32)

    @tf.function(
        input_signature=[tf.TensorSpec((None, model.inputs[0].shape[-1]), tf.float32, name="features")], autograph=False
    )
    def serve(features: tf.Tensor) -> dict[str, tf.Tensor]:
        scaled = (tf.clip_by_value(features, low, high) - mean) / scale
        logit = tf.reshape(tf.cast(network({"features": scaled}), tf.float32), [-1])
        # A ReLU turns NaN into 0, so a missing value would come out as a plausible probability.
        known = tf.reduce_all(tf.math.is_finite(features), axis=1)
        probability = tf.where(known, tf.sigmoid(logit + offset), math.nan)
        return {"probability": probability, "decision": probability >= threshold}

    concrete = serve.get_concrete_function()
    if constant:
        module.serve = _frozen(concrete)
    else:
        module.held, module.serve = list(concrete.variables), serve  # those the graph uses, and no others
    signature = module.serve if constant else concrete
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})
    write_warmup(folder / "assets.extra", name, examples)


def _frozen(concrete: tf.types.experimental.ConcreteFunction) -> tf.types.experimental.GenericFunction:
    """The same function with every weight a constant, under the same names."""
    frozen = convert_variables_to_constants_v2(concrete)
    names = sorted(concrete.structured_outputs)

    @tf.function(input_signature=list(concrete.structured_input_signature[0]), autograph=False)
    def serve(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, tf.nest.flatten(frozen(features)), strict=True))

    return serve
