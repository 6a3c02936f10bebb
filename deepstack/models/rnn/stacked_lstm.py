"""Three levels of LSTM with skips between them, and attention over time at the end."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive

EXPLAINS = {"attention": "attention_weights"}


@dataclass(frozen=True)
class StackedLstmConfig:
    """Options of the network.

    Attributes:
        units: of each level.
        levels: of LSTM.
        dropout: after every level.
    """

    units: int = 64
    levels: int = 3
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "units", "levels")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: StackedLstmConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = keras.layers.Dense(config.units, name="embed")(features)
    for level in range(config.levels):
        h = keras.layers.LSTM(config.units, return_sequences=True, name=f"lstm_{level}")(x)
        h = keras.layers.Dropout(config.dropout, name=f"dropout_{level}")(h)
        x = keras.layers.LayerNormalization(name=f"norm_{level}")(keras.layers.Add(name=f"skip_{level}")([x, h]))
    return keras.Model({BASE: features}, head.outputs(attention_pooled(x)), name="stacked_lstm")
