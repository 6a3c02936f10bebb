"""An LSTM and a transformer read the same window, and each looks at what the other made of it."""

from collections.abc import Mapping

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.hybrid._parts import HybridConfig, read_twice
from deepstack.models.inputs import BASE
from deepstack.models.transformer._stack import crossed

EXPLAINS = {"attention": "transformer_attention_weights"}


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: HybridConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    steps, encoding = read_twice(features, config)
    pooled = [
        attention_pooled(crossed(encoding, steps, config, "transformer_looks"), "transformer_attention"),
        attention_pooled(crossed(steps, encoding, config, "lstm_looks"), "lstm_attention"),
    ]
    x = keras.layers.Concatenate(name="joined")(pooled)
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="lstm_transformer")
