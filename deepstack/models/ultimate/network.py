"""The ultimate network: a residual stack of any depth, dense units, multi-scale feature attention, a head."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import keras

from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.dense_growth import DenseGrowth
from deepstack.layers.feature_attention import FeatureAttention
from deepstack.layers.plain_dense import PlainDense
from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense
from deepstack.layers.zero_columns import ZeroColumns
from deepstack.models.heads import Head
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class UltimateConfig:
    """Options of the ultimate network; the defaults are the 2,000-layer one.

    Attributes:
        width: units of the trunk.
        res_blocks_per_unit: residual blocks of each unit, four counted layers a block. Units of one width with
            nothing between them are one stack.
        dense_blocks_per_unit: densely connected layers of each dense unit.
        growth: units that each densely connected layer adds.
        attention_scales: group sizes of the feature attention; each divides `width`.
        dropout: rate in every residual block and dense layer.
        input_dropout: rate on the scaled features.
        l2: weight of the L2 penalty on every kernel.
        momentum: of all batch statistics.
        checkpoint: what the backward pass keeps of the residual stack: `input`, `everything`, or every k-th input.
    """

    width: int = 64
    res_blocks_per_unit: tuple[int, ...] = (50,) * 10
    dense_blocks_per_unit: tuple[int, ...] = (10, 5, 5)
    growth: int = 16
    attention_scales: tuple[int, ...] = (1, 4, 16)
    dropout: float = 0.2
    input_dropout: float = 0.0
    l2: float = 0.0
    momentum: float = 0.99
    checkpoint: str | int = "input"

    def __post_init__(self) -> None:
        positive(self, "width", "res_blocks_per_unit", "dense_blocks_per_unit", "growth", "attention_scales")
        between(self, 0.0, 1.0, "dropout", "input_dropout", "momentum")
        between(self, 0.0, math.inf, "l2")
        if self.checkpoint not in ("input", "everything") and not (
            isinstance(self.checkpoint, int) and self.checkpoint >= 1
        ):
            raise ValueError(
                f"checkpoint: expected input, everything or a number of blocks, received {self.checkpoint!r}"
            )
        for scale in self.attention_scales:
            if self.width % scale:
                raise ValueError(f"attention_scales: expected divisors of width {self.width}, received {scale}")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: UltimateConfig) -> keras.Model:
    """Build the network.

    Args:
        inputs: `{"features": (features,)}`; scaled, float32.
        head: what the network is asked.
        config: sizes.

    Returns:
        `[batch, features]` to the head's outputs.
    """
    shared = {"l2": config.l2, "momentum": config.momentum, "dropout": config.dropout}

    # Layers
    features = keras.Input(inputs["features"], name="features")
    stem = PlainDense(config.width, **(shared | {"dropout": 0.0}), name="stem")
    residual = RematScan(ResidualDense(config.width, **shared), depth(config), config.checkpoint, name="residual")
    dense_units = [
        RematScan(DenseGrowth(config.growth, **shared), layers, name=f"dense_unit_{i}")
        for i, layers in enumerate(config.dense_blocks_per_unit)
    ]
    rooms = [ZeroColumns(unit.depth * config.growth, name=f"room_{i}") for i, unit in enumerate(dense_units)]
    transitions = [
        PlainDense(config.width, **(shared | {"dropout": 0.0}), name=f"transition_{i}") for i in range(len(dense_units))
    ]
    attention = FeatureAttention(config.attention_scales, name="attention")

    # Graph
    x = CounterDropout(config.input_dropout, name="input_dropout")(features) if config.input_dropout else features
    x = residual(stem(x))
    for room, unit, transition in zip(rooms, dense_units, transitions, strict=True):
        x = transition(unit(room(x)))
    x = attention(x)
    return keras.Model({"features": features}, head.outputs(x), name="ultimate")


def bytes_per_sample(config: UltimateConfig) -> float:
    """Activation memory of a training step for one sample, float32 bytes: what the loops keep, and the rest twice."""
    blocks = depth(config)
    stride = config.checkpoint if isinstance(config.checkpoint, int) else 1
    kept = -(-blocks // stride) + stride + (2 * blocks if config.checkpoint == "everything" else 0)
    dense = sum((n + 12) * (config.width + n * config.growth) for n in config.dense_blocks_per_unit)
    return 4.0 * (config.width * (kept + 24) + dense)


def flops_per_sample(features: int, config: UltimateConfig) -> float:
    """Multiply-adds of one forward pass for one sample, counted as two operations each."""
    width, growth = config.width, config.growth
    dense = sum((width + n * growth) * (n * growth + width) for n in config.dense_blocks_per_unit)
    attention = sum(width // s * max(4, width // 4) + max(4, width // 4) * width for s in config.attention_scales)
    return 2.0 * (features * width + 2 * width * width * depth(config) + dense + attention)


def depth(config: UltimateConfig) -> int:
    """Blocks of the residual stack."""
    return sum(config.res_blocks_per_unit)


def at_depth(config: UltimateConfig, blocks: int) -> UltimateConfig:
    """The same network with another depth of the residual stack."""
    return replace(config, res_blocks_per_unit=(blocks,))


def keep_everything(config: UltimateConfig) -> UltimateConfig:
    """The same network without rematerialisation."""
    return replace(config, checkpoint="everything")
