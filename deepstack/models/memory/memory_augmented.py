"""A recurrent controller beside a short- and a long-term memory that it reads and writes by attention."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.layers.memory_cell import MemoryCell
from deepstack.layers.newest_step import NewestStep
from deepstack.models._pooling import attention_pooled
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive

CAUSAL = "sequence"
"""Layer whose step t has seen no later step."""
EXPLAINS = {"attention": "attention_weights"}


@dataclass(frozen=True)
class MemoryAugmentedConfig:
    """Options of the network.

    Attributes:
        units: of the controller and of every row of both memories.
        short_slots: states of the controller kept, first in, first out.
        long_slots: rows of the memory that is written by content.
        dropout: on the embedding and before the head.
    """

    units: int = 48
    short_slots: int = 8
    long_slots: int = 16
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "units", "short_slots", "long_slots")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: MemoryAugmentedConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs."""
    features = keras.Input(inputs[BASE], name=BASE)
    x = keras.layers.Dense(config.units, activation="tanh", name="embed")(features)
    x = keras.layers.Dropout(config.dropout, name="embed_dropout")(x)
    cell = MemoryCell(config.units, config.short_slots, config.long_slots, name="cell")
    x = keras.layers.RNN(cell, return_sequences=True, name=CAUSAL)(x)
    x = keras.layers.Concatenate(name="joined")([attention_pooled(x), NewestStep(name="newest")(x)])
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    return keras.Model({BASE: features}, head.outputs(x), name="memory_augmented")
