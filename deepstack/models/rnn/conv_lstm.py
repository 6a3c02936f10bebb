"""Convolutions find local shapes and shorten the window; an LSTM reads their order."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models._conv_stages import conv_stages
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class ConvLstmConfig:
    """Options of the network.

    Attributes:
        filters: channels of each convolution.
        kernel_size: bars each convolution spans.
        pool: each is followed by a maximum over so many steps.
        units: of the LSTM.
        dropout: after every convolution and the LSTM.
    """

    filters: tuple[int, ...] = (48, 64)
    kernel_size: int = 5
    pool: int = 2
    units: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "filters", "kernel_size", "pool", "units")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: ConvLstmConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = conv_stages(features, config.filters, config.kernel_size, config.pool, config.dropout)
    x = keras.layers.LSTM(config.units, name="lstm")(x)
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="conv_lstm")
