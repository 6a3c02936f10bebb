"""A calibration: what turns a model's probabilities into ones that come true as often as they say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SMALLEST = 1e-7
"""Probability below which a logarithm is not taken."""


@dataclass(frozen=True)
class Calibration:
    """One output's calibration; with the defaults it changes nothing.

    Attributes:
        slope: factor of the log-probabilities, 1 over the temperature.
        offset: added to them afterwards, one a class; none adds nothing.
        knots: (probabilities, what they become) of each class, joined by straight lines, in place of slope and offset;
            of two classes the second's alone. Several classes are normalised to sum 1.
    """

    slope: float = 1.0
    offset: tuple[float, ...] = ()
    knots: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return self != Calibration()

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities, float64 [..., classes]."""
        if not self.changes:
            return probability
        if self.knots:
            return self._stepwise(probability)
        logits = self.slope * np.log(np.clip(probability, SMALLEST, 1.0))
        if self.offset:
            logits = logits + np.array(self.offset)
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=-1, keepdims=True))

    def _stepwise(self, probability: np.ndarray) -> np.ndarray:
        if len(self.knots) == 1:
            won = np.interp(probability[..., 1], *self.knots[0])
            return np.stack([1.0 - won, won], axis=-1)
        each = np.stack([np.interp(probability[..., k], *knots) for k, knots in enumerate(self.knots)], axis=-1)
        return np.asarray(each / each.sum(axis=-1, keepdims=True))

    def tree(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> "Calibration":
        """From `tree()`, read back from JSON.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        knots = tuple((tuple(map(float, x)), tuple(map(float, y))) for x, y in tree["knots"])
        return cls(float(tree["slope"]), tuple(map(float, tree["offset"])), knots)
