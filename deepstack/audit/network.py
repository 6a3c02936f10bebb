"""Links of the network: each row answered by itself, and nothing seen ahead in a window."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from deepstack.artifact.model import raw_outputs, up_to
from deepstack.audit.findings import Link, Offence
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.labels import labelled
from deepstack.models import catalogue
from deepstack.models.heads import LOGIT
from deepstack.models.inputs import WHEN
from deepstack.pipeline import inputs as pipeline_inputs
from deepstack.pipeline.predict import Inputs, Predictor

ROUNDING = 1e-6
"""Of a probability: a float32 product rounds otherwise for another number of rows."""
MOST_ROWS = 4096
STIRRED = 0.1


@dataclass(frozen=True)
class Served:
    """A model in both its forms.

    Attributes:
        predictor: the artifact in Python.
        saved_model: folder of the version that TensorFlow Serving loads.
    """

    predictor: Predictor
    saved_model: Path

    def signature(self) -> Callable[..., Mapping[str, Any]]:
        """`serving_default`."""
        return tf.saved_model.load(str(self.saved_model)).signatures["serving_default"]


def stir(network: keras.Model, seed: int = 0) -> None:
    """Give a new network's zeros small random values, so that every path moves the answer.

    The last scale of a residual branch, gates and combiners begin at zero: what is behind them would not be seen.
    """
    random = np.random.default_rng(seed)
    for variable in network.variables:
        if "float" in variable.dtype and not np.any(variable.numpy()):
            variable.assign(STIRRED * random.normal(size=variable.shape))


def steady(network: keras.Model, inputs: Inputs) -> None:
    """Bring the answers of a stirred network to about zero and the order of one, its members' too.

    Nothing moves a sure probability.

    Args:
        inputs: scaled, of some samples.
    """
    layers = {layer.name: layer for layer in network.layers}
    heads = {f"answer_{name}": layer for name, layer in layers.items() if isinstance(layer, keras.Model)}
    for name, owner in {LOGIT: network, **heads}.items():
        if name in layers and any(layer.name == LOGIT for layer in owner.layers):  # one's own may end otherwise
            raw = raw_outputs(up_to(network, name), inputs)
            logit = owner.get_layer(LOGIT)
            kernel, *biases = logit.get_weights()
            mean = raw.mean(axis=0)
            spread = max(1.0, float(np.std(raw - mean)))
            logit.set_weights([kernel / spread, *((bias - mean.reshape(bias.shape)) / spread for bias in biases)])


def audit_rows(served: Served, inputs: Inputs) -> Link:
    """What the network says of a sample does not depend on the others it is asked with, in Python and when served."""
    name = "network, row by row"
    count = min(len(next(iter(inputs.values()))), MOST_ROWS)
    if count < 2:
        return Link(name, "", skipped="fewer than two samples")
    given = {key: values[np.arange(count)] for key, values in inputs.items()}
    predictor, call = served.predictor, served.signature()
    forms: dict[str, Callable[[dict[str, np.ndarray]], np.ndarray]] = {
        "the network": lambda x: raw_outputs(predictor.network, predictor.scale(copied(x)), count),
        "the SavedModel": lambda x: call(**{k: tf.constant(v) for k, v in x.items()})["probability"].numpy(),
    }
    for what, answer in forms.items():
        whole = answer(given)
        for kept in (0, 1):
            mixed = answer(_others_replaced(given, kept))
            apart = np.abs(whole[kept::2] - mixed[kept::2]).reshape(len(whole[kept::2]), -1).max(axis=1)
            if not (apart <= ROUNDING * np.maximum(1.0, np.abs(whole[kept::2]).max())).all():
                row = 2 * int(np.argmax(~(apart <= ROUNDING))) + kept
                how = f"moved by {np.nanmax(apart):.2g} with the other samples of its batch"
                return Link(name, f"{count:,} rows", Offence(what, f"sample {row}", how))
    return Link(name, f"{count:,} samples × 2 forms, within {ROUNDING:g}")


def audit_causal_layers(network: keras.Model, config: RunConfig) -> Link:
    """A layer that claims to see no later step has a Jacobian of exactly zero there."""
    name = "causal layers"
    entry = catalogue.line_of(config.model)
    if entry.causal is None:
        return Link(name, "", skipped=f"{config.model.name} claims none: it reads its window whole")
    sequence = keras.Model(network.input, network.get_layer(entry.causal).output)
    random = np.random.default_rng(0)
    inputs = {
        key: tf.constant(random.normal(size=(1, *tensor.shape[1:])), tensor.dtype)
        for key, tensor in network.input.items()
    }
    key = next(key for key in inputs if key != WHEN)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs[key])
        steps = tf.unstack(sequence(inputs, training=False), axis=1)
        squares = [tf.reduce_sum(step**2) for step in steps]
    covers = f"{entry.causal}: {len(steps)} × {inputs[key].shape[1]} steps"
    for step, square in enumerate(squares):
        moved = np.abs(tape.gradient(square, inputs[key]).numpy()).max(axis=(0, 2)) > 0.0
        if moved[step + 1 :].any():
            later = int(np.argmax(moved[step + 1 :])) + 1
            how = f"moves with the input {later} step{'s' * (later > 1)} later"
            return Link(name, covers, Offence(entry.causal, f"step {step}", how))
    return Link(name, covers)


def unscaled_inputs(predictor: Predictor, market: Market) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Decisions that can be made in the candles, and what the network is given of them, unscaled."""
    artifact = predictor.artifact
    moments = pd.concat([labelled.decision_rows(candles, artifact.config.labels) for candles in market.values()])
    moments = moments.sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True)
    entry, config = catalogue.line_of(artifact.config.model), artifact.config
    seen = pipeline_inputs.see(market, moments, entry, config.features, config.samples, names=artifact.features)
    return moments[seen.known].reset_index(drop=True), seen.inputs


def _others_replaced(given: Mapping[str, np.ndarray], kept: int) -> dict[str, np.ndarray]:
    """Every second sample replaced by noise of another scale."""
    random = np.random.default_rng(kept)
    mixed = {}
    for key, values in given.items():
        mixed[key] = values.copy()
        if values.dtype.kind == "f":
            wild = random.normal(size=mixed[key][1 - kept :: 2].shape)
            mixed[key][1 - kept :: 2] = values.mean(axis=0) + 5.0 * (values.std(axis=0) + 1e-3) * wild
    return mixed


def copied(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same values in matrices of their own: scaling overwrites."""
    return {key: values.copy() for key, values in inputs.items()}
