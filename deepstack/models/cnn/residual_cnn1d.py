"""A ResNet over time: stages of residual blocks, each stage at half the resolution, any depth by the depth engine."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_conv import ResidualConv
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class ResidualCnn1dConfig:
    """Options of the network.

    Attributes:
        filters: channels of each stage.
        blocks: residual blocks of each stage, two convolutions a block.
        kernel_size: bars each convolution spans, at its stage's own resolution.
        steps: the pooled sequence that reaches the head has so many steps, whatever the window.
        dropout: rate in every block.
    """

    filters: tuple[int, ...] = (32, 64)
    blocks: tuple[int, ...] = (2, 2)
    kernel_size: int = 3
    steps: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "filters", "blocks", "kernel_size", "steps")
        between(self, 0.0, 1.0, "dropout")
        if len(self.filters) != len(self.blocks):
            raise ValueError(f"blocks: expected one number for each of filters {self.filters}, received {self.blocks}")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: ResidualCnn1dConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    # Layers
    features = keras.Input(inputs[BASE], name=BASE)
    block = ResidualConv(config.kernel_size, config.dropout)
    stages = [
        (
            keras.layers.Conv1D(
                filters, 3, strides=1 if i == 0 else 2, padding="same", use_bias=False, name=f"widen_{i}"
            ),
            keras.layers.BatchNormalization(name=f"norm_{i}"),
            keras.layers.ReLU(name=f"relu_{i}"),
            RematScan(block, blocks, name=f"stage_{i}"),
        )
        for i, (filters, blocks) in enumerate(zip(config.filters, config.blocks, strict=True))
    ]
    pool = keras.layers.AdaptiveAveragePooling1D(config.steps, name="adaptive_pool")

    # Graph
    x = features
    for stage in stages:
        for layer in stage:
            x = layer(x)
    x = keras.layers.Flatten(name="flatten")(pool(x))
    return keras.Model({BASE: features}, head.outputs(x), name="residual_cnn1d")


def receptive_field(config: ResidualCnn1dConfig) -> int:
    """Bars that one step of the last stage sees."""
    bars, step = 1, 1
    for i, blocks in enumerate(config.blocks):
        bars += 2 * step
        step *= 1 if i == 0 else 2
        bars += 2 * blocks * (config.kernel_size - 1) * step
    return bars
