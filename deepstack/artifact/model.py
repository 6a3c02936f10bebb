"""A verified artifact's network: architecture from our own code, weights from the file, nothing executed from it."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from deepstack.artifact.fold import MOST_BLOCKS
from deepstack.artifact.folded import folded_call
from deepstack.artifact.load import Artifact
from deepstack.layers.remat_scan import RematScan
from deepstack.models import catalogue
from deepstack.models.heads import Head, head_of
from deepstack.models.inputs import input_shapes


def load_network(artifact: Artifact) -> keras.Model:
    """Build the artifact's model from its config and load its weights."""
    config = artifact.config
    entry, head = catalogue.line_of(config.model), head_of(config.labels, config.model)
    samples = config.samples
    shapes = input_shapes(entry.sees, len(artifact.features), samples.window_bars, samples.timeframes, when=entry.when)
    network = catalogue.build(config.model.name, shapes, head, config.model.options)
    network.load_weights(artifact.folder / "model.keras")
    return network


def up_to(network: keras.Model, layer: str) -> keras.Model:
    """The part of a network that ends in one of its layers."""
    part = keras.Model(network.input, network.get_layer(layer).output)
    part.jit_compile = network.jit_compile
    return part


def raw_outputs(network: keras.Model, inputs: Mapping[str, Any], batch_size: int = 1024) -> np.ndarray:
    """The network's outputs for all samples, gathered batch by batch.

    Args:
        inputs: name → [samples, …], arrays or Windows, scaled.
        batch_size: samples a forward pass; the last is filled up, so that one shape is compiled.

    Returns:
        float32 [samples, …].
    """
    count = len(next(iter(inputs.values())))
    size = min(batch_size, count)
    parts = []
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        # Inside a strategy's scope every replica answers the whole batch, and Keras joins the answers.
        parts.append(network.predict_on_batch({name: values[rows] for name, values in inputs.items()})[:size])
    return np.concatenate(parts)[:count]


def compiled_for_one(network: keras.Model) -> Callable[[Mapping[str, Any]], np.ndarray]:
    """The network for single samples: folded, its weights constants, one XLA program unless it is deep.

    The first call compiles, which takes about a second; each later one is several times faster than `raw_outputs`.

    Returns:
        (name → [1, …], scaled) → float32 [1, …].
    """
    names = list(network.input)
    specs = [tf.TensorSpec((1, *network.input[name].shape[1:]), network.input[name].dtype) for name in names]
    folded = folded_call(network, tf.constant)
    plain = tf.function(lambda *tensors: folded(dict(zip(names, tensors, strict=True))), specs, autograph=False)
    frozen = convert_variables_to_constants_v2(plain.get_concrete_function(), lower_control_flow=False)
    blocks = sum(layer.depth for layer in network.layers if isinstance(layer, RematScan))
    compiled = tf.function(lambda *tensors: frozen(*tensors)[0], specs, jit_compile=blocks <= MOST_BLOCKS)
    # The checks of a tf.function's own call take longer than a small network.
    call = compiled.get_concrete_function().inference_fn.call_flat
    return lambda inputs: call(*(tf.constant(inputs[name]) for name in names))[0].numpy()


def class_probabilities(
    network: keras.Model, head: Head, inputs: Mapping[str, Any], priors: np.ndarray | None
) -> np.ndarray:
    """Class probabilities corrected to the priors, float64 [samples, outputs, classes].

    Args:
        priors: [outputs, classes], shares that balanced training has hidden; None when it was not balanced.
    """
    raw = raw_outputs(network, inputs).astype(np.float64)
    return np.asarray(head.probabilities(raw, head.prior_offset(priors)))
