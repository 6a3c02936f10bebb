"""How likely a Sharpe ratio is to be real: its interval, its probability, and what is left of it after a search.

Every Sharpe ratio here is that of one return, mean over standard deviation, not annualised; multiply by the square root
of the returns a year for the figure traders quote.
"""

import math
from statistics import NormalDist

import numpy as np
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from scipy.stats import kurtosis, skew

NORMAL = NormalDist()
EULER = 0.5772156649015329
LEAST_RETURNS = 20
"""Fewer say nothing about a Sharpe ratio."""


def sharpe_ratio(returns: np.ndarray) -> float:
    """Mean over standard deviation (n − 1) of returns, float64 [n]; NaN without spread."""
    spread = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    # What is left of equal returns is rounding.
    return float(np.mean(returns)) / spread if spread > 1e-12 * float(np.abs(returns).max(initial=0.0)) else math.nan


def probabilistic_sharpe(returns: np.ndarray, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds a benchmark, given the sample's length, skew and kurtosis.

    Args:
        returns: float64 [n], of equal periods.
        benchmark: a Sharpe ratio of one return.

    Returns:
        In [0, 1]; NaN for fewer than LEAST_RETURNS returns or returns without spread.

    Source: Bailey & López de Prado 2012, The Sharpe ratio efficient frontier, Journal of Risk 15(2).
    """
    observed = sharpe_ratio(returns)
    if len(returns) < LEAST_RETURNS or not math.isfinite(observed):
        return math.nan
    skewness, fourth = float(skew(returns, bias=False)), float(kurtosis(returns, fisher=False, bias=False))
    variance = 1.0 - skewness * observed + (fourth - 1.0) / 4.0 * observed**2
    if variance <= 0.0:
        return math.nan
    return NORMAL.cdf((observed - benchmark) * math.sqrt((len(returns) - 1) / variance))


def expected_best_sharpe(trials: int, spread: float) -> float:
    """What the best of many strategies without any edge is expected to show.

    Args:
        trials: how many were tried, at least 1.
        spread: standard deviation of their Sharpe ratios.

    Source: Bailey & López de Prado 2014, The deflated Sharpe ratio, Journal of Portfolio Management 40(5), equation 1.
    """
    if trials < 2:
        return 0.0
    first, second = NORMAL.inv_cdf(1.0 - 1.0 / trials), NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return spread * ((1.0 - EULER) * first + EULER * second)


def deflated_sharpe(returns: np.ndarray, trial_sharpes: np.ndarray, trials: int | None = None) -> float:
    """Probability that the true Sharpe ratio of the best of a search is above 0, for how much was searched.

    Args:
        returns: float64 [n], of the strategy chosen.
        trial_sharpes: Sharpe ratios of the tried strategies, the chosen one's among them, of one return each.
        trials: how many were tried, where not all left a Sharpe ratio. Where fewer than two did, their ratios are taken
            to spread as those of strategies without an edge do, by one over the root of the number of returns.

    Returns:
        In [0, 1]; NaN as `probabilistic_sharpe`. Correlated trials count as if each were new: it errs to the safe side.

    Source: as `expected_best_sharpe`.
    """
    known = trial_sharpes[np.isfinite(trial_sharpes)]
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else 1.0 / math.sqrt(max(len(returns) - 1, 1))
    return probabilistic_sharpe(returns, expected_best_sharpe(max(trials or 0, len(known)), spread))


def sharpe_interval(returns: np.ndarray, resamples: int, seed: int) -> list[float] | None:
    """95 % interval of the Sharpe ratio by the stationary bootstrap, in the unit of one return; None when too short.

    Blocks have geometric lengths whose mean is the optimum for the autocorrelation of the returns.

    Source: Politis & Romano 1994, The stationary bootstrap; Politis & White 2004, with the correction of 2009.
    """
    if len(returns) < LEAST_RETURNS or not math.isfinite(sharpe_ratio(returns)):
        return None
    block = max(1, round(float(optimal_block_length(returns)["stationary"].iloc[0])))
    drawn = StationaryBootstrap(block, returns, seed=np.random.default_rng(seed))
    values = np.array([sharpe_ratio(np.asarray(data[0])) for data, _ in drawn.bootstrap(resamples)])
    values = values[np.isfinite(values)]
    if len(values) < 0.95 * resamples:
        return None
    return [float(bound) for bound in np.quantile(values, [0.025, 0.975])]
