"""What more selective thresholds would have given: win rate and expectancy over the share of trades taken."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.evaluation.significance import bootstrap, mean_over


@dataclass(frozen=True)
class CoverageCurve:
    """The most probable trades, from few to all.

    Attributes:
        coverage: float64 [points], rising share of trades taken.
        win_rate: float64 [points].
        low, high: float64 [points], 95 % band of the win rate by block bootstrap; NaN where undefined.
    """

    coverage: np.ndarray
    win_rate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def coverage_curve(
    trades: pd.DataFrame, probability: np.ndarray, resamples: int, seed: int, points: int = 40
) -> CoverageCurve:
    """Win rate of the trades above each of `points` thresholds, from 2 % coverage to all.

    Trades of equal probability are taken together, so a point may lie at a larger coverage than asked for, and equal
    points are given once. Read it to understand a model, never to choose its threshold: it is drawn on the test slice.
    """
    won = trades["won"].to_numpy(bool)
    cuts = np.unique(np.quantile(probability, np.linspace(0.0, 0.98, points), method="lower"))[::-1]
    taken = probability[:, None] >= cuts
    sizes = taken.sum(axis=0)
    drawn = bootstrap(
        {str(k): mean_over(won, taken[:, k]) for k in range(len(cuts))}, trades, min(resamples, 400), seed
    )
    band = np.full((2, len(cuts)), np.nan)
    for k in range(len(cuts)):
        values = drawn[str(k)][np.isfinite(drawn[str(k)])]
        if values.size:
            band[:, k] = np.quantile(values, [0.025, 0.975])
    return CoverageCurve(sizes / len(won), (won.astype(np.float64) @ taken) / sizes, band[0], band[1])
