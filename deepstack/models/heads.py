"""Heads: the output layers of a model, and what their raw outputs mean."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from deepstack.config.labels import LabelsConfig
from deepstack.config.model import ModelConfig
from deepstack.errors import ConfigError

LOGIT = "logit"
"""Name of the layer that a head ends a network with."""


@dataclass(frozen=True)
class Head:
    """The question a model answers: one or several outputs, each a distribution over the same classes.

    Raw outputs are float32 logits `[batch, logits]` for one output and `[batch, outputs, logits]` for `horizons`, with
    one more column, the log-variance of the outcome in R, where `aleatoric`. Two classes have one logit.

    Attributes:
        kind: `binary`, `classes` or `horizons`.
        names: of the outputs: `won`, or horizons such as `15min`.
        classes: of each output.
        aleatoric: whether each output also predicts the variance of its outcome in R, about zero: the mean of a trade
            is small beside its spread (Nix & Weigend 1994, Estimating the mean and variance of the target probability
            distribution).
    """

    kind: str
    names: tuple[str, ...]
    classes: int
    aleatoric: bool = False

    @property
    def logits(self) -> int:
        """Logits of each output."""
        return 1 if self.classes == 2 else self.classes

    def outputs(self, trunk: Any) -> Any:
        """The head's layer on `[batch, units]`, or on `[batch, outputs, units]` where each output has its own."""
        width = self.logits + self.aleatoric
        if len(trunk.shape) == 3:
            each = keras.layers.EinsumDense(
                "bhu,huc->bhc", (len(self.names), width), bias_axes="hc", dtype="float32", name=LOGIT
            )(trunk)
        else:
            flat = keras.layers.Dense(len(self.names) * width, dtype="float32", name=LOGIT)(trunk)
            if self.kind != "horizons":
                return flat
            each = keras.layers.Reshape((len(self.names), width), dtype="float32", name="by_horizon")(flat)
        return self.shaped(each)

    def shaped(self, each: Any) -> Any:
        """[batch, outputs, columns] as the raw outputs have it."""
        return each if self.kind == "horizons" else keras.layers.Flatten(dtype="float32", name="one_output")(each)

    def split(self, raw: Any) -> tuple[Any, Any]:
        """(logits [batch, outputs, logits], variance of the outcome, R² [batch, outputs, 1], or None)."""
        each = ops.reshape(raw, (-1, len(self.names), self.logits + self.aleatoric))
        if not self.aleatoric:
            return each, None
        return each[..., :-1], ops.exp(ops.clip(each[..., -1:], -10.0, 10.0))

    def probabilities(self, raw: Any, offset: np.ndarray) -> Any:
        """Class probabilities [batch, outputs, classes], `offset` from `prior_offset` added to the logits."""
        shifted = self.split(raw)[0] + offset
        if self.logits > 1:
            return ops.softmax(shifted, axis=-1)
        won = ops.sigmoid(shifted)
        return ops.concatenate([1.0 - won, won], axis=-1)

    def prior_offset(self, priors: np.ndarray | None) -> np.ndarray:
        """What balanced training has hidden, as logits [outputs, logits]: the log odds, or log shares, of the classes.

        Args:
            priors: [outputs, classes], shares of the classes before balancing; None when nothing was balanced.

        Source: Elkan 2001, The foundations of cost-sensitive learning, theorem 2.
        """
        if priors is None:
            return np.zeros((len(self.names), self.logits))
        logs = np.log(np.asarray(priors, np.float64))
        return logs if self.logits > 1 else logs[:, 1:] - logs[:, :1]


def binary_head(aleatoric: bool = False) -> Head:
    """Win or loss."""
    return Head("binary", ("won",), 2, aleatoric)


def head_of(labels: LabelsConfig, model: ModelConfig) -> Head:
    """The head a config asks for.

    Raises:
        ConfigError: it does not fit the labels.
    """
    names, classes = (("won",), 2) if labels.kind == "breakout" else (labels.horizons.lengths, 3)
    return make_head(model.head, names, classes, model.uncertainty == "aleatoric")


def make_head(kind: str, names: tuple[str, ...], classes: int, aleatoric: bool = False) -> Head:
    """The head of a kind, for labels with these outputs and classes.

    Raises:
        ConfigError: the head does not fit the labels.
    """
    fitting = "binary" if classes == 2 else "classes" if len(names) == 1 else "horizons"
    if kind != fitting and not (kind == "horizons" and fitting == "classes"):
        asked = "won or lost" if classes == 2 else f"{classes} classes over {', '.join(names)}"
        raise ConfigError(
            "model.head", expected=f"a head for labels of {asked}", received=kind, remedy=f"model.head={fitting}"
        )
    return Head(kind, names, classes, aleatoric)
