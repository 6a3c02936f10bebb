"""A settled way of combining members: numbers that stand in Python, in a Keras layer and in a SavedModel alike."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

SMALLEST = 1e-6
"""Probability below which a logarithm is not taken."""

Kind = Literal["shares", "votes", "layers"]


@dataclass(frozen=True, eq=False)
class Combiner:
    """Probabilities [members, samples, classes] → [samples, classes].

    Attributes:
        kind: `shares`, their weighted mean; `votes`, the weighted share of votes, each member's for its likeliest
            class, with one more for every class (Laplace's rule); `layers`, dense layers on all log-probabilities.
        shares: float64 [members], sum 1; for shares and votes.
        kernels: float64 [in, out] of each dense layer, the first taking members × classes; tanh between, softmax last.
        biases: float64 [out] of each.
    """

    kind: Kind
    shares: np.ndarray
    kernels: tuple[np.ndarray, ...] = ()
    biases: tuple[np.ndarray, ...] = ()

    def __call__(self, members: np.ndarray) -> np.ndarray:
        """Combine."""
        if self.kind == "shares":
            return np.asarray(np.tensordot(self.shares, members, axes=1))
        classes = members.shape[2]
        if self.kind == "votes":
            count = np.count_nonzero(self.shares > SMALLEST)
            votes = np.tensordot(self.shares, np.eye(classes)[members.argmax(axis=2)], axes=1)
            return np.asarray((count * votes + 1.0) / (count + classes))
        x = logs(members)
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            x = x @ kernel + bias
            x = x if number == len(self.kernels) - 1 else np.tanh(x)
        odds = np.exp(x - x.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def logs(members: np.ndarray) -> np.ndarray:
    """Log-probabilities side by side, float64 [samples, members × classes]."""
    return np.concatenate(list(np.log(np.maximum(members, SMALLEST))), axis=1)
