"""Epistemic uncertainty: how far the answers of one network lie apart when its dropout stays on."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.fixed_masks import every_layer
from deepstack.artifact.load import Artifact
from deepstack.artifact.model import load_network
from deepstack.errors import ConfigError
from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.default_seeds import own_seeds


def epistemic(
    artifact: Artifact,
    inputs: Mapping[str, Any],
    score: Callable[[np.ndarray], np.ndarray],
    passes: int,
    batch_size: int = 1024,
) -> np.ndarray:
    """Standard deviation of a score over forward passes with dropout on and batch statistics held.

    Args:
        artifact: whose network.
        inputs: name → [samples, …], scaled.
        score: raw outputs → float64 [samples, outputs].
        passes: at least 2.
        batch_size: samples a pass and batch.

    Returns:
        float64 [samples, outputs].

    Raises:
        ConfigError: fewer than 2 passes, or a network without dropout, which would always answer alike.

    Source: Gal & Ghahramani 2016, Dropout as a Bayesian approximation.
    """
    with own_seeds(artifact.config.seed):
        network = load_network(artifact)
    _require_dropout(network, passes)
    for layer in every_layer(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # Keras then normalises by the stored statistics, in training too
    call = tf.function(lambda x: network(x, training=True))
    count = len(next(iter(inputs.values())))
    size = min(batch_size, count)
    parts = []
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        batch = {name: tf.constant(values[rows]) for name, values in inputs.items()}
        parts.append(np.std([score(call(batch).numpy()) for _ in range(passes)], axis=0))
    return np.concatenate(parts)[:count]


def _require_dropout(network: keras.Model, passes: int) -> None:
    rates = [layer.rate for layer in every_layer(network) if isinstance(layer, keras.layers.Dropout | CounterDropout)]
    if passes < 2 or not any(rates):
        raise ConfigError(
            "mc_passes",
            expected="2 or more passes of a network trained with dropout",
            received=f"{passes} passes, dropout rates {sorted(set(rates)) or 'none'}",
            remedy="model.options.dropout above 0 at training, or mc_passes=0",
        )
