"""An LSTM and a transformer, weighed for each sample by a learned gate that can be read."""

from collections.abc import Mapping

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.hybrid._parts import HybridConfig, read_twice
from deepstack.models.inputs import BASE

EXPLAINS = {"gate": "gate", "attention": "attention_weights"}
"""The gate is `[batch, 2]`: the shares of the LSTM and of the transformer."""


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: HybridConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    steps, encoding = read_twice(features, config)
    pair = [attention_pooled(steps, "lstm_attention"), attention_pooled(encoding)]
    both = keras.layers.Concatenate(name="both")(pair)
    gate = keras.layers.Dense(2, activation="softmax", name="gate")(both)
    rows = keras.layers.Reshape((2, config.width), name="by_reader")(both)
    x = keras.layers.Dot(axes=1, name="weighed")([gate, rows])
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="adaptive_hybrid")
