"""Is the best of many strategies the best by luck: the probability of backtest overfitting, and the reality check."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from arch.bootstrap import SPA, optimal_block_length

BLOCKS = 16
"""Even; every choice of half of them is looked at, 12,870 for 16."""
LEAST_BLOCK = 4
"""Returns a block at least."""


@dataclass(frozen=True)
class Overfitting:
    """What combinatorially symmetric cross-validation found.

    Attributes:
        probability: share of the choices in which the best strategy of one half was no better than the median of the
            other half; about 0.5 when no strategy differs from another, near 0 when one is truly best.
        choices: halves looked at.
        strategies: how many were compared.
    """

    probability: float
    choices: int
    strategies: int


def backtest_overfitting(returns: np.ndarray, blocks: int = BLOCKS) -> Overfitting | None:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation, judged by the Sharpe ratio.

    Args:
        returns: float64 [n, strategies], of the same periods.
        blocks: even number of stretches; fewer are made when a stretch would hold less than LEAST_BLOCK returns.

    Returns:
        None with fewer than two strategies, or too few returns for four blocks.

    Source: Bailey, Borwein, López de Prado & Zhu 2017, The probability of backtest overfitting, Journal of
    Computational Finance 20(4).
    """
    count, strategies = returns.shape
    blocks = min(blocks, count // LEAST_BLOCK // 2 * 2)
    if strategies < 2 or blocks < 4:
        return None
    parts = np.array_split(np.arange(count), blocks)
    sums = np.stack([returns[rows].sum(axis=0) for rows in parts])
    squares = np.stack([(returns[rows] ** 2).sum(axis=0) for rows in parts])
    sizes = np.array([len(rows) for rows in parts], np.float64)
    chosen = np.zeros((len(list(combinations(range(blocks), blocks // 2))), blocks), bool)
    for row, half in zip(chosen, combinations(range(blocks), blocks // 2), strict=True):
        row[list(half)] = True
    inside, outside = (_sharpe(half.astype(np.float64), sums, squares, sizes) for half in (chosen, ~chosen))
    best = inside.argmax(axis=1)
    of_best = outside[np.arange(len(best)), best][:, None]
    # Relative rank of the chosen one outside, ties counted half: at or below a half is overfitted.
    rank = (0.5 + (outside < of_best).sum(axis=1) + 0.5 * ((outside == of_best).sum(axis=1) - 1)) / strategies
    return Overfitting(float(np.mean(rank <= 0.5)), len(best), strategies)


def _sharpe(chosen: np.ndarray, sums: np.ndarray, squares: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sharpe ratio over the chosen blocks, float64 [choices, strategies]; 0 without spread."""
    count = (chosen @ sizes)[:, None]
    mean = chosen @ sums / count
    variance = np.maximum(chosen @ squares / count - mean**2, 0.0) * count / (count - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 1e-300, mean / np.sqrt(variance), 0.0)


@dataclass(frozen=True)
class Superiority:
    """Whether the best of several models beats a benchmark after allowing for the choice.

    Attributes:
        reality_check: p-value of White 2000: not studentised, every model counted.
        spa: consistent p-value of Hansen 2005.
        models: how many were compared.
    """

    reality_check: float
    spa: float
    models: int


def superiority(returns: np.ndarray, benchmark: np.ndarray, resamples: int, seed: int) -> Superiority | None:
    """White's reality check and Hansen's test of superior predictive ability, by the stationary bootstrap.

    Args:
        returns: float64 [n, models], of the same periods.
        benchmark: float64 [n]; zeros for doing nothing.
        resamples: of the bootstrap.
        seed: of the draw.

    Returns:
        Small p-values say that some model truly beats the benchmark. None for fewer than 20 returns or when no model
        ever differs from the benchmark.

    Source: White 2000, A reality check for data snooping, Econometrica 68(5); Hansen 2005, A test for superior
    predictive ability, Journal of Business & Economic Statistics 23(4).
    """
    gains = returns - benchmark[:, None]
    gains = gains[:, gains.std(axis=0) > 0.0]
    if len(gains) < 20 or gains.shape[1] == 0:
        return None
    block = max(1, round(float(np.nanmax(optimal_block_length(gains)["stationary"]))))
    tests = []
    for studentize in (False, True):
        test = SPA(np.zeros(len(gains)), -gains, block_size=block, reps=resamples, studentize=studentize, seed=seed)
        test.compute()
        tests.append(test.pvalues)
    return Superiority(float(tests[0]["upper"]), float(tests[1]["consistent"]), gains.shape[1])
