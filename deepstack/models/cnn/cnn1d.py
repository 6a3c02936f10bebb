"""A plain convolutional network over time: three stages that see ever longer stretches, then a dense layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models._conv_stages import conv_stages
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class Cnn1dConfig:
    """Options of the network.

    Attributes:
        filters: channels of each stage.
        kernel_size: bars each convolution spans, at its stage's own resolution.
        pool: each stage keeps the largest of so many neighbouring steps.
        units: of the dense layer.
        dropout: after every stage and the dense layer.
    """

    filters: tuple[int, ...] = (64, 64, 64)
    kernel_size: int = 3
    pool: int = 2
    units: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "filters", "kernel_size", "pool", "units")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: Cnn1dConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = conv_stages(features, config.filters, config.kernel_size, config.pool, config.dropout)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(config.units, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="cnn1d")


def receptive_field(config: Cnn1dConfig) -> int:
    """Bars that one step of the last stage sees; the dense layer then joins all steps."""
    bars, step = 1, 1
    for _ in config.filters:
        bars += (config.kernel_size - 1) * step
        bars += (config.pool - 1) * step
        step *= config.pool
    return bars
