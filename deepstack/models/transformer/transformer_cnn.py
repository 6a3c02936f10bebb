"""A convolutional stem finds local shapes and shortens the window; a transformer relates them."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import positive
from deepstack.models.transformer._stack import TransformerConfig, encoded

EXPLAINS = {"attention": "attention_weights"}


@dataclass(frozen=True)
class TransformerCnnConfig(TransformerConfig):
    """Options of the network.

    Attributes:
        kernel_size: bars each convolution of the stem spans.
        strides: of its convolutions, one each; the window becomes shorter by their product.
    """

    kernel_size: int = 5
    strides: tuple[int, ...] = (2, 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "kernel_size", "strides")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: TransformerCnnConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = features
    for i, stride in enumerate(config.strides):
        x = keras.layers.Conv1D(
            config.width, config.kernel_size, strides=stride, padding="same", use_bias=False, name=f"conv_{i}"
        )(x)
        x = keras.layers.ReLU(name=f"relu_{i}")(keras.layers.BatchNormalization(name=f"norm_{i}")(x))
    x = attention_pooled(encoded(x, config))
    return keras.Model({BASE: features}, head.outputs(x), name="transformer_cnn")
