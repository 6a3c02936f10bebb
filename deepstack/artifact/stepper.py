"""A generative network bar by bar: each new bar is handed in by itself, what it needs of those before is kept."""

from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.model import raw_outputs
from deepstack.layers.remat_scan import RematScan
from deepstack.layers.transformer_block import TransformerBlock
from deepstack.models.inputs import BASE
from deepstack.models.transformer.transformer_decoder import FORESEEN

TRUNK = "sequence"
"""What the names of the trunk's layers begin with."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What the next bar of each row needs of those before.

    Attributes:
        memory: first axis rows: keys and values of every block, or the window itself.
        bars: int32 [rows], how many of them are known.
    """

    memory: tf.Tensor
    bars: tf.Tensor


@dataclass(frozen=True, eq=False)
class Said:
    """What the network says after a bar.

    Attributes:
        outputs: float32 [rows, …], the network's own.
        foreseen: float32 [rows, 2 · features], mean and log-variance of the next bar's features.
        kept: for the next bar.
    """

    outputs: np.ndarray
    foreseen: np.ndarray
    kept: Kept


class Stepper(Protocol):
    """A network that is handed one bar at a time."""

    def read(self, windows: np.ndarray) -> Said:
        """Begin with windows, scaled, float32 [rows, bars, features]."""

    def step(self, kept: Kept, features: np.ndarray) -> Said:
        """One more bar a row, scaled, float32 [rows, features]."""


def stepper_of(network: keras.Model) -> Stepper:
    """By keys and values where a bar's do not change as the window moves on, else by windows."""
    return AttentionStepper(network) if steps_alone(network) else WindowStepper(network)


def steps_alone(network: keras.Model) -> bool:
    """Whether the newest bar's answer follows from that bar and the keys and values of those before, exactly.

    It does where all that a bar sees lies within the window, through all blocks, and where nothing but the distance
    between bars says when they were.
    """
    names = {layer.name for layer in network.layers}
    if FORESEEN not in names or f"{TRUNK}_positions" in names:
        return False
    field = _bars_seen(network.get_layer(f"{TRUNK}_blocks"))
    return field is not None and field <= network.input[BASE].shape[1]


def _bars_seen(blocks: RematScan) -> int | None:
    reach = blocks.template.attention.reach
    return 1 + blocks.depth * (reach - 1) if reach else None


class AttentionStepper:
    """Keys and values are kept: a bar takes as long as one step of a window, however long that is.

    Args:
        network: one that `steps_alone`.
    """

    def __init__(self, network: keras.Model) -> None:
        blocks = network.get_layer(f"{TRUNK}_blocks")
        self._network, self._blocks = network, [_block(blocks, number) for number in range(blocks.depth)]
        self.bars_seen = _bars_seen(blocks) or 0
        self._head = keras.Model(network.get_layer("newest").output, network.output)
        attention = self._blocks[0].attention
        width = attention.project_in.kernel.shape[0]
        self._shape = len(self._blocks), attention.reach - 1, 2, attention.heads, width // attention.heads
        self._dtype = attention.compute_dtype
        self._step = tf.function(self._traced, autograph=False, reduce_retracing=True)

    def read(self, windows: np.ndarray) -> Said:
        """Begin with windows: the bars that their newest sees are read one by one."""
        rows = len(windows)
        kept = Kept(tf.zeros((rows, *self._shape), self._dtype), tf.zeros(rows, tf.int32))
        for bar in range(windows.shape[1] - self.bars_seen, windows.shape[1]):
            said = self.step(kept, windows[:, bar])
            kept = said.kept
        return said

    def step(self, kept: Kept, features: np.ndarray) -> Said:
        """One more bar a row."""
        outputs, foreseen, memory, bars = self._step(tf.constant(features), kept.memory, kept.bars)
        return Said(outputs.numpy(), foreseen.numpy(), Kept(memory, bars))

    def _traced(self, features: tf.Tensor, memory: tf.Tensor, bars: tf.Tensor) -> tuple[tf.Tensor, ...]:
        part = self._network.get_layer
        x, keeps = part(f"{TRUNK}_embed")(features), []
        for number, block in enumerate(self._blocks):
            x, kept = block.step(x, memory[:, number], bars)
            keeps.append(kept)
        x = part(f"{TRUNK}_norm")(x)
        foreseen = part(FORESEEN)(x)
        outputs = self._head(tf.concat([x, foreseen], axis=-1), training=False)
        bars = tf.minimum(bars + 1, self._shape[1])
        return tf.cast(outputs, tf.float32), tf.cast(foreseen, tf.float32), tf.stack(keeps, axis=1), bars


class WindowStepper:
    """The window is kept and read anew with every bar: right for every generative network."""

    def __init__(self, network: keras.Model) -> None:
        said = {"outputs": network.output, FORESEEN: network.get_layer(FORESEEN).output}
        self._network = {name: keras.Model(network.input, output) for name, output in said.items()}
        for part in self._network.values():
            part.jit_compile = network.jit_compile

    def read(self, windows: np.ndarray) -> Said:
        """Begin with windows."""
        outputs, foreseen = (raw_outputs(self._network[name], {BASE: windows}) for name in ("outputs", FORESEEN))
        kept = Kept(tf.constant(windows), tf.fill([len(windows)], windows.shape[1]))
        return Said(outputs, foreseen[:, -1], kept)

    def step(self, kept: Kept, features: np.ndarray) -> Said:
        """One more bar a row, the oldest forgotten."""
        return self.read(np.concatenate([kept.memory.numpy()[:, 1:], features[:, None]], axis=1))


def _block(blocks: RematScan, number: int) -> Any:
    """A block of the stack by itself, with its own weights."""
    block: TransformerBlock = blocks.new_block(f"{blocks.name}_{number}")
    block.build(blocks.block_shape)
    variables = [*block.trainable_variables, *block.non_trainable_variables]
    for variable, stack in zip(variables, blocks.stacks, strict=True):
        variable.assign(stack.numpy()[number])
    return block
