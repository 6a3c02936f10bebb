"""The SavedModel that TensorFlow Serving loads: features or candles in, probabilities and decisions out."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.decision import Decision, answers, lean, probabilities
from deepstack.artifact.describe import write_description
from deepstack.artifact.feature_list import signature_for
from deepstack.artifact.fixed_masks import LEAST_ROOM_BYTES, PASSES, FixedMasks, MasksDoNotFitError, can_fix, tile
from deepstack.artifact.folded import folded_call
from deepstack.artifact.held_once import HeldOnce, HeldVariables
from deepstack.artifact.rewrite import rewrite, with_methods
from deepstack.artifact.signatures import DEFAULT, METHODS, Core, Network, Tensors, signatures_of
from deepstack.artifact.warmup import write_warmup

CONSTANT_LIMIT_BYTES = 200_000_000
"""Weights up to here become constants of the graph, the fastest; of those every signature in use has a copy in memory,
while all share the variables that larger models keep."""

RAW = "raw"
"""What the network's own output is called among those of its layers."""

EXTRA = "assets.extra"
"""Where a SavedModel keeps what no graph reads; TensorFlow Serving leaves it in place."""

_log = logging.getLogger(__name__)


def export_saved_model(
    folder: Path,
    model: keras.Model,
    decision: Decision,
    examples: Mapping[str, np.ndarray],
    name: str,
    shows: Mapping[str, str] | None = None,
    features: Sequence[str] = (),
    seed: int = 0,
) -> None:
    """Write `folder` as one version of a servable: `saved_model.pb`, `variables/`, `assets.extra/`.

    `serving_default` takes the model's inputs, `features` float32 [batch, …, features] and any others, unscaled, in the
    order of the feature list. For a binary head it returns `probability` float32 [batch] and `decision` bool [batch];
    else `probability` float32 [batch, outputs, classes], `confidence` float32 [batch, outputs], the largest of them,
    `prediction` int32 [batch, outputs], its class, and `decision` int32 [batch, outputs], -1 sell, 0 nothing, 1 buy.
    A head with a variance adds `aleatoric` float32 [batch, outputs], in R². It is float32 whatever the training
    precision. A sample with a value that is not finite has probability NaN and decides for nothing.

    Beside it `predict_scaled`, the same of scaled inputs; `classify` and `regress`, of tf.Examples, for the first
    output; `predict_candles`, of candles, where the features are channels of the candle itself; `predict_uncertainty`,
    mean `probability` and `epistemic` deviation over 16 subnetworks, where dropout can be given fixed masks. One more
    name of `serving_default` tells the feature list, see `feature_list`.

    Args:
        folder: `serving/<name>/<version>`; made here.
        model: trained, functional.
        decision: scaling, head, priors and thresholds, which go into the graph.
        examples: input → real unscaled samples for warm-up.
        name: the servable's name, written into the warm-up requests.
        shows: output → layer, further outputs that tell how an answer came about: attention, a gate, recalled episodes.
        features: names of the columns of the inputs; without them there is no list of them and no `predict_candles`.
        seed: of the dropout masks.
    """
    module = tf.Module()
    network, held = _network(module, model, decision, shows or {}, seed)
    signatures = signatures_of(network, decision, features)
    module.serve = signatures[DEFAULT]
    named = {signature_for(features): signatures[DEFAULT]} if features else {}
    tf.saved_model.save(module, str(folder), signatures=signatures | named)
    rewrite(folder, with_methods(METHODS), held.put_weights)
    write_description(folder / EXTRA, decision, features)
    write_warmup(folder / EXTRA, name, examples, signatures, decision.scalers, features)


def _network(
    module: tf.Module, model: keras.Model, decision: Decision, shows: Mapping[str, str], seed: int
) -> tuple[Network, HeldOnce]:
    """The folded network with its subnetworks, and their constants; `module.held` are weights that stay variables."""
    weights_bytes = 4 * model.count_params()
    constant = weights_bytes < CONSTANT_LIMIT_BYTES
    module.held = []

    def hold(weight: np.ndarray) -> tf.Tensor:
        if constant:
            return tf.constant(weight)
        module.held.append(tf.Variable(weight, trainable=False))
        return module.held[-1]

    shown = {key: model.get_layer(layer).output for key, layer in shows.items()}
    masks = FixedMasks(seed, max(weights_bytes, LEAST_ROOM_BYTES))
    folded = folded_call(keras.Model(model.input, {RAW: model.output, **shown}), hold, masks)
    specs = {key: tf.TensorSpec(tensor.shape, tensor.dtype, name=key) for key, tensor in model.input.items()}
    known = tf.TensorSpec((None,), tf.bool, name="known")

    def answer(inputs: Tensors, known: tf.Tensor) -> Tensors:
        outputs = {key: tf.cast(value, tf.float32) for key, value in folded(inputs).items()}
        return answers(outputs.pop(RAW), known, decision) | outputs

    def doubt(inputs: Tensors, known: tf.Tensor) -> Tensors:
        raw = tf.cast(folded({key: tile(values) for key, values in inputs.items()})[RAW], tf.float32)
        each = probabilities(raw, tile(known), decision)
        each = tf.reshape(each, [PASSES, -1, *each.shape[1:]])
        mean, epistemic = tf.reduce_mean(each, axis=0), tf.math.reduce_std(lean(each), axis=0)
        if decision.head.kind == "binary":
            return {"probability": mean[:, 0, 1], "epistemic": epistemic[:, 0]}
        return {"probability": mean, "epistemic": epistemic}

    held_variables = HeldVariables(hold) if constant else nullcontext()

    def traced(core: Core) -> Any:
        with held_variables:
            return tf.function(core, input_signature=[specs, known], autograph=False).get_concrete_function()

    cores = [traced(answer)]
    if can_fix(model):
        try:
            with masks.on():
                cores.append(traced(doubt))
        except MasksDoNotFitError as error:
            _log.warning("the servable has no predict_uncertainty: %s", error)
    captured = {id(tensor) for core in cores for tensor in core.captured_inputs}
    read = {id(variable.handle): variable for core in cores for variable in core.variables}
    module.held = [variable for handle, variable in read.items() if handle in captured]  # none that no graph uses
    held = HeldOnce(cores)
    return Network(specs, *held.functions), held
