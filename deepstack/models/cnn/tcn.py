"""The temporal convolutional network: dilated causal convolutions with skips (Bai, Kolter & Koltun 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.layers.newest_step import NewestStep
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive

CAUSAL = "sequence"
"""Layer whose step t has seen no later step."""


@dataclass(frozen=True)
class TcnConfig:
    """Options of the network.

    Attributes:
        filters: channels of every level.
        kernel_size: taps of every convolution.
        levels: of two convolutions each; level i leaves 2^i − 1 bars between taps.
        dropout: after every convolution.
    """

    filters: int = 48
    kernel_size: int = 3
    levels: int = 6
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "filters", "kernel_size", "levels")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: TcnConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs; the head sees the newest step."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = keras.layers.Conv1D(config.filters, 1, name="embed")(features)
    for level in range(config.levels):
        h = x
        for k in range(2):
            name = f"level_{level}_{k}"
            h = keras.layers.Conv1D(
                config.filters, config.kernel_size, dilation_rate=2**level, padding="causal", name=f"conv_{name}"
            )(h)
            # Batch norm would mix what a causal step may not see: other steps of the window.
            h = keras.layers.LayerNormalization(name=f"norm_{name}")(h)
            h = keras.layers.ReLU(name=f"relu_{name}")(h)
            h = keras.layers.Dropout(config.dropout, name=f"dropout_{name}")(h)
        x = keras.layers.Add(name=f"skip_{level}")([x, h])
    x = keras.layers.ReLU(name=CAUSAL)(x)
    return keras.Model({BASE: features}, head.outputs(NewestStep(name="newest")(x)), name="tcn")


def receptive_field(config: TcnConfig) -> int:
    """Bars that the newest step sees."""
    return 1 + 2 * (config.kernel_size - 1) * (2**config.levels - 1)
