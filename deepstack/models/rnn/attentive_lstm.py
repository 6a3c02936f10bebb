"""An LSTM for each timeframe of a market, attention over time in each, and attention between the timeframes."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.options import between, positive

EXPLAINS = {"attention": "features_attention_weights", "timeframes": "timeframe_weights"}


@dataclass(frozen=True)
class AttentiveLstmConfig:
    """Options of the network.

    Attributes:
        units: of each timeframe's LSTM.
        dropout: on its sequence and before the head.
    """

    units: int = 48
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "units")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: AttentiveLstmConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features), "features_5min": …}` to the head's outputs."""
    frames = {name: keras.Input(shape, name=name) for name, shape in inputs.items()}
    summaries = []
    for name, frame in frames.items():
        x = keras.layers.LSTM(config.units, return_sequences=True, name=f"{name}_lstm")(frame)
        x = keras.layers.Dropout(config.dropout, name=f"{name}_dropout")(x)
        summaries.append(attention_pooled(x, f"{name}_attention"))
    together = keras.layers.Concatenate(name="summaries")(summaries)
    weights = keras.layers.Dense(len(frames), activation="softmax", name="timeframe_weights")(together)
    rows = keras.layers.Reshape((len(frames), config.units), name="by_timeframe")(together)
    x = keras.layers.Concatenate(name="joined")([keras.layers.Dot(axes=1, name="weighted")([weights, rows]), together])
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.Model(frames, head.outputs(x), name="attentive_lstm")
