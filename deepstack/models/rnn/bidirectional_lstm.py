"""LSTM in both directions, then the steps look at each other, then average and maximum over time."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.layers.self_attention import SelfAttention
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class BidirectionalLstmConfig:
    """Options of the network.

    Attributes:
        units: of each direction of each layer.
        heads: of the attention.
        dropout: after every layer and the attention.
    """

    units: tuple[int, ...] = (48,)
    heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "units", "heads")
        between(self, 0.0, 1.0, "dropout")
        if self.units[-1] % self.heads:
            raise ValueError(f"heads: expected a divisor of {self.units[-1]} units, received {self.heads}")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: BidirectionalLstmConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = features
    for i, units in enumerate(config.units):
        lstm = keras.layers.LSTM(units, return_sequences=True, name=f"lstm_{i}")
        x = keras.layers.Bidirectional(lstm, name=f"both_ways_{i}")(x)
        x = keras.layers.Dropout(config.dropout, name=f"dropout_{i}")(x)
    attended = SelfAttention(config.heads, name="attention")(keras.layers.LayerNormalization(name="attention_norm")(x))
    x = keras.layers.Add(name="attended")([x, attended])
    pooled = [
        keras.layers.GlobalAveragePooling1D(name="average")(x),
        keras.layers.GlobalMaxPooling1D(name="maximum")(x),
    ]
    x = keras.layers.Dropout(config.dropout, name="dropout")(keras.layers.Concatenate(name="pooled")(pooled))
    return keras.Model({BASE: features}, head.outputs(x), name="bidirectional_lstm")
