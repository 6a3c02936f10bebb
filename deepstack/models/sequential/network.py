"""Plain deep nets without skips, which the ultimate network is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import keras

from deepstack.layers.plain_dense import PlainDense
from deepstack.layers.remat_scan import RematScan
from deepstack.models.heads import Head
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class SequentialConfig:
    """Options of a sequential net.

    Attributes:
        layers: counted layers (Dense and BN), at least 5: a stem of two, pairs, and the logit.
        width: units of every layer.
        dropout: rate after every pair.
        momentum: of all batch statistics.
    """

    layers: int = 75
    width: int = 64
    dropout: float = 0.1
    momentum: float = 0.99

    def __post_init__(self) -> None:
        positive(self, "width")
        between(self, 0.0, 1.0, "dropout", "momentum")
        if self.layers < 5:
            raise ValueError(f"layers: expected at least 5, received {self.layers}")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: SequentialConfig) -> keras.Model:
    """Build a net of exactly `config.layers` counted layers: `{"features": (features,)}` to the head's outputs."""
    pairs, odd = divmod(config.layers - 3, 2)
    shared = {"dropout": config.dropout, "momentum": config.momentum}

    # Layers
    features = keras.Input(inputs["features"], name="features")
    stem = PlainDense(config.width, **shared, name="stem")
    stack = RematScan(PlainDense(config.width, **shared), pairs, name="stack")
    last = keras.layers.Dense(config.width, activation="relu", name="last_dense")

    # Graph
    x = stack(stem(features))
    return keras.Model({"features": features}, head.outputs(last(x) if odd else x), name="sequential")


def bytes_per_sample(config: SequentialConfig) -> float:
    """Activation memory of a training step for one sample, float32 bytes."""
    return 4.0 * config.width * (config.layers / 2 + 24)


def flops_per_sample(features: int, config: SequentialConfig) -> float:
    """Operations of one forward pass for one sample."""
    return 2.0 * (features * config.width + config.width**2 * (config.layers - 2) / 2)


def depth(config: SequentialConfig) -> int:
    """Pairs of the stack."""
    return (config.layers - 3) // 2


def at_depth(config: SequentialConfig, blocks: int) -> SequentialConfig:
    """The same net with another number of pairs."""
    return replace(config, layers=3 + 2 * blocks)


def keep_everything(config: SequentialConfig) -> SequentialConfig:
    """The net has no other policy."""
    return config
