"""From which probability on a trade is taken: chosen on validation, for expectancy, with a floor on coverage."""

from dataclasses import dataclass

import numpy as np

from deepstack.errors import DataError
from deepstack.evaluation.classification import check_probability


@dataclass(frozen=True)
class Threshold:
    """A trade is taken when its probability is at least `value`.

    Attributes:
        value: the smallest probability taken; 0 takes everything.
        expectancy_r: mean net outcome in R of the validation trades it takes.
        coverage: share of validation trades it takes.
    """

    value: float
    expectancy_r: float
    coverage: float

    @property
    def profitable(self) -> bool:
        """Whether the taken validation trades earn anything; when not, this is the least bad threshold."""
        return self.expectancy_r > 0.0

    def take(self, probability: np.ndarray) -> np.ndarray:
        """The decisions, bool [trades]."""
        return np.asarray(probability, dtype=np.float64) >= self.value

    def __str__(self) -> str:
        judged = "" if self.profitable else "; no admissible threshold was profitable, this one loses least"
        return (
            f"take at probability >= {self.value:.4f}: {self.expectancy_r:+.3f} R a trade "
            f"at {self.coverage:.1%} coverage on validation{judged}"
        )


def choose_threshold(probability: np.ndarray, net_r: np.ndarray, min_coverage: float) -> Threshold:
    """The threshold with the highest mean net R among those that take at least `min_coverage` of the trades.

    Trades of equal probability are taken or left together; of equally good thresholds the one that takes more is
    chosen. The value lies half-way to the next lower probability, so that rounding to float32 cannot flip a decision
    at the edge, and is 0 when everything is taken.

    Args:
        probability: [trades], of the validation slice alone.
        net_r: float64 [trades], outcome after costs in R.
        min_coverage: share of trades in (0, 1].

    Raises:
        DataError: no trades, or probabilities or outcomes that cannot be used.
    """
    outcome = np.asarray(net_r, dtype=np.float64)
    values = check_probability(probability, len(outcome))
    if not np.isfinite(outcome).all():
        raise DataError(
            "threshold", expected="finite outcomes", received="NaN or infinite net_r", remedy="label the trades again"
        )
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    # Sizes at which a cut falls between two different probabilities, each with the floor respected.
    sizes = np.append(np.flatnonzero(np.diff(ranked)) + 1, len(ranked))
    sizes = sizes[sizes >= np.ceil(min_coverage * len(ranked) - 1e-9)]
    expectancy = np.cumsum(outcome[order])[sizes - 1] / sizes
    best = len(sizes) - 1 - int(np.argmax(expectancy[::-1]))
    size = int(sizes[best])
    return Threshold(_cut(ranked, size), float(expectancy[best]), size / len(ranked))


def _cut(ranked: np.ndarray, size: int) -> float:
    """A value between the last taken and the first left of probabilities in falling order."""
    if size == len(ranked):
        return 0.0
    middle = 0.5 * (ranked[size - 1] + ranked[size])
    return float(middle if middle > ranked[size] else ranked[size - 1])
