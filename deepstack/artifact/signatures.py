"""The questions a servable answers: one network behind signatures that differ in what they are handed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from deepstack.artifact.candle_channels import CHANNELS, COLUMNS, of_candles
from deepstack.artifact.decision import Decision, lean
from deepstack.features.scale import scaler_constants
from deepstack.models.inputs import BASE

DEFAULT, SCALED, CANDLES = "serving_default", "predict_scaled", "predict_candles"
UNCERTAINTY, CLASSIFY, REGRESS = "predict_uncertainty", "classify", "regress"

METHODS = {CLASSIFY: "tensorflow/serving/classify", REGRESS: "tensorflow/serving/regress"}
"""Signatures that TensorFlow Serving reaches by methods of their own; the others are `predict`."""

Tensors = dict[str, tf.Tensor]
Core = Callable[[Tensors, tf.Tensor], Tensors]
"""(scaled finite inputs, bool [batch]: whether a sample's were all finite) → answers."""


@dataclass(frozen=True, eq=False)
class Network:
    """What all signatures share.

    Attributes:
        specs: input → its shape and type.
        answer: the network and its decision.
        doubt: the same of 16 subnetworks; None of a network without dropout that can be fixed.
    """

    specs: Mapping[str, tf.TensorSpec]
    answer: Core
    doubt: Core | None = None


def signatures_of(network: Network, decision: Decision, features: Sequence[str]) -> dict[str, Any]:
    """Signature → tf.function.

    Args:
        features: names of the columns; `predict_candles` is there where all are channels of the candle itself and the
            network sees one window.
    """
    specs, scalers = dict(network.specs), decision.scalers

    def asked(given: Any, core: Core, scalers: Mapping[str, Any], ready: Callable[[Any], Tensors] = dict) -> Any:
        def serve(inputs: Any) -> Tensors:
            return core(*_cleaned(ready(inputs), scalers))

        return tf.function(serve, input_signature=[given], autograph=False)

    found = {DEFAULT: asked(specs, network.answer, scalers), SCALED: asked(specs, network.answer, {})}
    found |= _of_examples(network, decision)
    if list(specs) == [BASE] and specs[BASE].shape[2:] == [len(features)] and set(features) <= set(CHANNELS):
        bars = tf.TensorSpec((None, specs[BASE].shape[1], len(COLUMNS)), tf.float32, name="candles")
        found[CANDLES] = asked(bars, network.answer, scalers, lambda candles: {BASE: of_candles(candles, features)})
    if network.doubt is not None:
        found[UNCERTAINTY] = asked(specs, network.doubt, scalers)
    return found


def _of_examples(network: Network, decision: Decision) -> dict[str, Any]:
    """`classify` and `regress`, for the first output."""
    serialized = tf.TensorSpec((None,), tf.string, name="inputs")

    def first_output(inputs: tf.Tensor) -> tf.Tensor:
        cleaned = _cleaned(_parsed(inputs, network.specs), decision.scalers)
        probability = network.answer(*cleaned)["probability"]
        if decision.head.kind == "binary":
            return tf.stack([1.0 - probability, probability], axis=1)
        return probability[:, 0]

    @tf.function(input_signature=[serialized], autograph=False)
    def classify(inputs: tf.Tensor) -> Tensors:
        scores = first_output(inputs)
        classes = tf.constant([decision.class_names])
        return {"classes": tf.repeat(classes, tf.shape(scores)[0], axis=0), "scores": scores}

    @tf.function(input_signature=[serialized], autograph=False)
    def regress(inputs: tf.Tensor) -> Tensors:
        return {"outputs": lean(first_output(inputs))}

    return {CLASSIFY: classify, REGRESS: regress}


def _parsed(serialized: tf.Tensor, specs: Mapping[str, tf.TensorSpec]) -> Tensors:
    """tf.Examples, string [batch], to inputs; each under its name, its values in one list, the last axis fastest."""
    wanted = {
        key: tf.io.FixedLenFeature(spec.shape[1:], tf.float32 if spec.dtype.is_floating else tf.int64)
        for key, spec in specs.items()
    }
    found = tf.io.parse_example(serialized, wanted)
    return {key: tf.cast(found[key], spec.dtype) for key, spec in specs.items()}


def _cleaned(inputs: Tensors, scalers: Mapping[str, Any]) -> tuple[Tensors, tf.Tensor]:
    """Inputs with 0 for what is not finite, then scaled; and which samples were finite, bool [batch]."""
    ready, known = dict(inputs), tf.constant(True)
    for key, values in inputs.items():
        if values.dtype != tf.float32:
            continue
        # A ReLU turns NaN into 0, so a missing value would come out as a plausible probability.
        finite = tf.math.is_finite(values)
        known &= tf.reduce_all(finite, axis=list(range(1, len(values.shape))))
        ready[key] = tf.where(finite, values, 0.0)
        if key in scalers:
            low, high, mean, deviation = (tf.constant(each) for each in scaler_constants(scalers[key]))
            ready[key] = (tf.clip_by_value(ready[key], low, high) - mean) / deviation
    return ready, known
