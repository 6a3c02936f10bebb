"""A transformer over the window: positions, Pre-LN blocks, a pooled sequence of a few steps."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import positive
from deepstack.models.transformer._stack import TransformerConfig, encoded


@dataclass(frozen=True)
class PooledTransformerConfig(TransformerConfig):
    """Options of the network.

    Attributes:
        steps: the pooled sequence that reaches the head has so many steps, whatever the window.
    """

    steps: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "steps")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: PooledTransformerConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = encoded(features, config)
    x = keras.layers.AdaptiveAveragePooling1D(config.steps, name="adaptive_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="transformer")
