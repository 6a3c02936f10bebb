"""Heads: the output layers of a model, with what their raw outputs mean."""

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class BinaryHead:
    """Win or loss: one logit, float32, shape `[batch, 1]`.

    Trained by `training.losses.binary_cross_entropy`; `sigmoid(logit)` is the probability of a win under the class
    weights of training, which the prior correction turns into the market's.
    """

    name: str = "binary"

    def outputs(self, trunk: Any) -> Any:
        """The head's output layer on `[batch, units]`; float32 under every precision policy."""
        return keras.layers.Dense(1, dtype="float32", name="logit")(trunk)


HEADS = {"binary": BinaryHead}
