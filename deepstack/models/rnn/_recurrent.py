"""What the recurrent networks share: their options, and a stack of recurrent layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from deepstack.layers.newest_step import NewestStep
from deepstack.models.options import between, positive


@dataclass(frozen=True)
class RecurrentConfig:
    """Options of a stacked recurrent network.

    Attributes:
        units: of each layer; of each direction where it is bidirectional.
        bidirectional: whether a second layer reads the window backwards.
        dropout: after every layer.
    """

    units: tuple[int, ...] = (64, 64)
    bidirectional: bool = False
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "units")
        between(self, 0.0, 1.0, "dropout")


def stacked(x: Any, layer: Callable[..., keras.layers.Layer], config: RecurrentConfig) -> Any:
    """Recurrent layers on `[batch, time, features]`; the last returns its final state, `[batch, units]`.

    A network of one direction ends in a causal sequence; it is called `sequence`, and its newest step is returned.
    """
    for i, units in enumerate(config.units):
        last = i + 1 == len(config.units)
        name = "sequence" if last and not config.bidirectional else f"recurrent_{i}"
        recurrent = layer(units, return_sequences=not (last and config.bidirectional), name=name)
        if config.bidirectional:
            recurrent = keras.layers.Bidirectional(recurrent, name=f"both_ways_{i}")
        x = recurrent(x)
        if not last:
            x = keras.layers.Dropout(config.dropout, name=f"dropout_{i}")(x)
    x = x if config.bidirectional else NewestStep(name="newest")(x)
    return keras.layers.Dropout(config.dropout, name="dropout")(x)
