"""One encoder, and for each horizon attention heads of its own."""

from collections.abc import Mapping

import keras

from deepstack.layers.query_pooling import QueryPooling
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.transformer._stack import TransformerConfig, encoded


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: TransformerConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs, from features of its own for each."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = encoded(features, config)
    x = QueryPooling(len(head.names), config.heads, name="horizons")(x)
    x = keras.layers.Dense(config.width, activation="gelu", name="each_horizon")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="multi_head_horizon")
