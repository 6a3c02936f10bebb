"""Weighted: shares on the simplex."""

import numpy as np
from scipy.optimize import minimize

from deepstack.ensembles.combiner import SMALLEST, Combiner
from deepstack.errors import DataError


def mean(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """Equal shares; nothing is learned."""
    return Combiner("shares", np.full(len(given), 1.0 / len(given)))


def weighted(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """Shares that give the least log-loss, which is convex in them.

    Args:
        given: float64 [members, samples, classes].
        codes: int [samples], the true classes.

    Raises:
        DataError: no minimum was found.
    """
    of_truth = given[:, np.arange(len(codes)), codes]

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = np.maximum(shares @ of_truth, SMALLEST)
        return float(-np.log(mixed).mean()), -(of_truth / mixed).mean(axis=1)

    count = len(given)
    found = minimize(
        loss,
        np.full(count, 1.0 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1.0},
    )
    if not found.success:
        raise DataError(
            "ensemble", expected="weights of least log-loss", received=found.message, remedy="another ensemble_method"
        )
    shares = np.maximum(found.x, 0.0)
    return Combiner("shares", shares / shares.sum())
