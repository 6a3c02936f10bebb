"""Stacked LSTM layers, in one direction or both; the head sees the final state."""

from collections.abc import Mapping

import keras

from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.rnn._recurrent import RecurrentConfig, stacked

CAUSAL = "sequence"
"""Layer whose step t has seen no later step, in a network of one direction."""


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: RecurrentConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    return keras.Model({BASE: features}, head.outputs(stacked(features, keras.layers.LSTM, config)), name="lstm")
