"""Does a probability of 0.6 win six times in ten? Reliability curve and expected calibration error."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed share of winners, bin by bin, lowest probability first.

    Attributes:
        bin_of: int64 [trades], the bin of each trade.
        predicted: float64 [bins], mean probability.
        observed: float64 [bins], share of winners.
        trades: int64 [bins], trades in the bin; never 0.
    """

    bin_of: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    trades: np.ndarray


def reliability(won: np.ndarray, probability: np.ndarray, bins: int = 15) -> Reliability:
    """Bin trades by probability, an equal number to each bin as far as ties allow.

    Bins of equal mass, because the probabilities of a trade filter crowd around the base rate: bins of equal width
    would leave most empty, and the estimate has less bias with equal mass (Roelofs et al., AISTATS 2022). Equal
    probabilities always share a bin, so a constant prediction has exactly one.

    Args:
        won: bool [trades].
        probability: float64 [trades].
        bins: number of bins at most.
    """
    share_below = (rankdata(probability) - 0.5) / len(probability)
    _, bin_of = np.unique((bins * share_below).astype(np.int64), return_inverse=True)
    trades = np.bincount(bin_of)
    return Reliability(
        bin_of=bin_of,
        predicted=np.bincount(bin_of, weights=probability) / trades,
        observed=np.bincount(bin_of, weights=won) / trades,
        trades=trades,
    )


def expected_calibration_error(won: np.ndarray, probability: np.ndarray, bins: int = 15) -> float:
    """Mean distance of predicted from observed share of winners, each bin weighted by its trades.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, with 15 bins of equal mass instead of equal
    width (see `reliability`). A fraction in [0, 1]; a perfect model's is above 0 by sampling noise.
    """
    curve = reliability(won, probability, bins)
    return float(np.average(np.abs(curve.predicted - curve.observed), weights=curve.trades))
