"""A transformer whose steps are pooled by attention; its weights say which bars the answer rests on."""

from collections.abc import Mapping

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.transformer._stack import TransformerConfig, encoded

EXPLAINS = {"attention": "attention_weights"}


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: TransformerConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = attention_pooled(encoded(features, config))
    return keras.Model({BASE: features}, head.outputs(x), name="transformer_attention")
