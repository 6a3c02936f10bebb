"""A position size from a probability and how sure it is."""

import numpy as np


def lean(probability: np.ndarray) -> np.ndarray:
    """What a position follows: P(won) of two classes, P(buy) − P(sell) of three; [..., classes] to [...]."""
    return probability[..., 1] if probability.shape[-1] == 2 else probability[..., 2] - probability[..., 0]


def position_size(
    probability: np.ndarray,
    threshold: float,
    epistemic: np.ndarray | None = None,
    aleatoric: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A share of the largest position one would take, and the decision it follows.

    The edge is how far the lean lies beyond the threshold, as a share of what is possible; an uncertain edge is shrunk
    by edge² / (edge² + variance), after Baker & McHale 2013, Optimal betting under parameter uncertainty; and what is
    expected to spread wider than its 1 R of risk is held in inverse proportion, after Harvey et al. 2018, The impact of
    volatility targeting. It is a suggestion of proportion: what the largest position is, the account decides.

    Args:
        probability: float64 [samples, classes].
        threshold: of the lean's size, from which a position is taken.
        epistemic: deviation of the lean between passes, float64 [samples]; None where it is not known.
        aleatoric: variance of the outcome, R², float64 [samples]; None where it is not known.

    Returns:
        position: float64 [samples], 0 to 1 of a trade that may be won, −1 (sell) to 1 (buy) of a direction.
        decision: bool [samples], or int8 [samples] in −1, 0, 1.
    """
    direction = lean(probability)
    size = np.abs(direction)
    taken = size >= threshold
    edge = np.where(taken, (size - threshold) / max(1.0 - threshold, np.finfo(np.float64).tiny), 0.0)
    if epistemic is not None:
        with np.errstate(invalid="ignore"):
            edge = np.where(edge > 0.0, edge * edge**2 / (edge**2 + epistemic**2), 0.0)
    if aleatoric is not None:
        edge = edge / np.sqrt(np.maximum(aleatoric, 1.0))
    side = np.where(direction >= 0.0, 1, -1)
    if probability.shape[1] == 2:
        return edge, taken
    return side * edge + 0.0, (side * taken).astype(np.int8)
