"""What the hybrids share: their options, and the two readings of one window."""

from dataclasses import dataclass
from typing import Any

import keras

from deepstack.models.options import positive
from deepstack.models.transformer._stack import TransformerConfig, encoded


@dataclass(frozen=True)
class HybridConfig(TransformerConfig):
    """Options of a hybrid; those of the transformer are the shared stack's.

    Attributes:
        units: of the LSTM.
    """

    units: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "units")


def read_twice(x: Any, config: HybridConfig) -> tuple[Any, Any]:
    """(LSTM's sequence, transformer's sequence), both `[batch, time, width]`."""
    steps = keras.layers.LSTM(config.units, return_sequences=True, name="lstm")(x)
    steps = keras.layers.Dropout(config.dropout, name="lstm_dropout")(steps)
    steps = keras.layers.Dense(config.width, name="lstm_projection")(steps)
    return keras.layers.LayerNormalization(epsilon=1e-5, name="lstm_norm")(steps), encoded(x, config, "transformer")
