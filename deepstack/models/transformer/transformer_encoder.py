"""The plain encoder of the original transformer, for comparison: Post-LN blocks, then the mean over time."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.layers.encoder_block import EncoderBlock
from deepstack.layers.remat_scan import RematScan
from deepstack.layers.sine_positions import SinePositions
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class TransformerEncoderConfig:
    """Options of the network.

    Attributes:
        depth: blocks.
        width: units of every step.
        heads: of every attention.
        hidden: inner units of the feed-forward parts.
        dropout: in every block.
    """

    depth: int = 2
    width: int = 64
    heads: int = 4
    hidden: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "depth", "width", "heads", "hidden")
        between(self, 0.0, 1.0, "dropout")
        if self.width % (2 * self.heads):
            raise ValueError(f"heads: expected twice as many to divide width {self.width}, received {self.heads}")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: TransformerEncoderConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    # Layers
    features = keras.Input(inputs[BASE], name=BASE)
    embed = keras.layers.Dense(config.width, name="embed")
    block = EncoderBlock(config.heads, config.hidden, config.dropout)
    blocks = RematScan(block, config.depth, name="blocks")
    mean = keras.layers.GlobalAveragePooling1D(name="average")

    # Graph
    x = mean(blocks(SinePositions(name="positions")(embed(features))))
    return keras.Model({BASE: features}, head.outputs(x), name="transformer_encoder")
