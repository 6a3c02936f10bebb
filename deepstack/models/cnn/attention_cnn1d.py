"""A convolutional trunk whose steps then look at each other: local shapes first, their order second."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.layers.self_attention import SelfAttention
from deepstack.models._conv_stages import conv_stages
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class AttentionCnn1dConfig:
    """Options of the network.

    Attributes:
        filters: channels of each convolution; the last is the width of the attention.
        kernel_size: bars each convolution spans.
        pool: each convolution is followed by a maximum over so many steps.
        heads: of the attention.
        dropout: after every convolution and the attention.
    """

    filters: tuple[int, ...] = (64, 64)
    kernel_size: int = 5
    pool: int = 2
    heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "filters", "kernel_size", "pool", "heads")
        between(self, 0.0, 1.0, "dropout")
        if self.filters[-1] % (2 * self.heads):
            raise ValueError(
                f"heads: expected twice as many to divide {self.filters[-1]} filters, received {self.heads}"
            )


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: AttentionCnn1dConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    attention = SelfAttention(config.heads, name="attention")
    norm = keras.layers.LayerNormalization(name="attention_norm")

    x = conv_stages(features, config.filters, config.kernel_size, config.pool, config.dropout)
    x = keras.layers.Add(name="attended")([x, attention(norm(x))])
    x = keras.layers.GlobalAveragePooling1D(name="average")(x)
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="attention_cnn1d")
