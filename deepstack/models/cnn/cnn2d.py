"""The window as a picture: time down, features across, four 2-D convolutions."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class Cnn2dConfig:
    """Options of the network.

    Attributes:
        columns: the features are first projected to so many, whose order the network learns: neighbours in a feature
            list mean nothing.
        filters: channels of each convolution.
        kernel_size: bars and columns each convolution spans.
        units: of the dense layer.
        dropout: before and after the dense layer.
    """

    columns: int = 16
    filters: tuple[int, ...] = (16, 32, 32, 64)
    kernel_size: int = 3
    units: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "columns", "filters", "kernel_size", "units")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: Cnn2dConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    bars = inputs[BASE][0]

    # Layers
    features = keras.Input(inputs[BASE], name=BASE)
    arrange = keras.layers.Dense(config.columns, name="arrange")
    picture = keras.layers.Reshape((bars, config.columns, 1), name="picture")
    stages = [
        (
            keras.layers.Conv2D(filters, config.kernel_size, padding="same", use_bias=False, name=f"conv_{i}"),
            keras.layers.BatchNormalization(name=f"norm_{i}"),
            keras.layers.ReLU(name=f"relu_{i}"),
            keras.layers.MaxPooling2D(2, padding="same", name=f"pool_{i}"),
        )
        for i, filters in enumerate(config.filters)
    ]
    dense = keras.layers.Dense(config.units, activation="relu", name="dense")

    # Graph
    x = picture(arrange(features))
    for stage in stages:
        for layer in stage:
            x = layer(x)
    x = keras.layers.Dropout(config.dropout, name="dropout_0")(keras.layers.Flatten(name="flatten")(x))
    x = keras.layers.Dropout(config.dropout, name="dropout_1")(dense(x))
    return keras.Model({BASE: features}, head.outputs(x), name="cnn2d")
