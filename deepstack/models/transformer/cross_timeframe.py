"""An encoder for each timeframe of a market; the finest then looks at the coarser ones."""

from collections.abc import Mapping

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.transformer._stack import TransformerConfig, crossed, encoded

EXPLAINS = {"attention": "attention_weights"}


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: TransformerConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features), "features_5min": …}` to the head's outputs."""
    frames = {name: keras.Input(shape, name=name) for name, shape in inputs.items()}
    encodings = {name: encoded(frame, config, name) for name, frame in frames.items()}
    x = encodings.pop(BASE)
    for name, context in encodings.items():
        x = crossed(x, context, config, f"{name}_cross")
    return keras.Model(frames, head.outputs(attention_pooled(x)), name="cross_timeframe")
