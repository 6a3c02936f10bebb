"""Sharpe ratios against skfolio, and against what theory says of returns without an edge."""

import math

import numpy as np
import pytest
from scipy.stats import kstest
from skfolio import measures

from deepstack.evaluation.sharpe import (
    deflated_sharpe,
    expected_best_sharpe,
    probabilistic_sharpe,
    sharpe_interval,
    sharpe_ratio,
)


@pytest.fixture(scope="module")
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def skewed(random: np.random.Generator, count: int) -> np.ndarray:
    return random.lognormal(0.0, 0.4, count) - 1.05


@pytest.mark.parametrize("benchmark", [0.0, 0.05])
def test_the_probabilistic_ratio_is_that_of_skfolio(random: np.random.Generator, benchmark: float) -> None:
    for count in (30, 400):
        returns = skewed(random, count)
        theirs = measures.probabilistic_sharpe_ratio(returns, benchmark_sharpe_ratio=benchmark)
        # They take skew and kurtosis as moments of the sample, we without their bias: the same for long samples.
        assert probabilistic_sharpe(returns, benchmark) == pytest.approx(theirs, abs=0.5 / count)


def test_the_best_of_a_search_without_edge_is_that_of_skfolio_and_of_simulation(random: np.random.Generator) -> None:
    for trials in (2, 10, 250):
        ours = expected_best_sharpe(trials, 0.03)
        assert ours == pytest.approx(measures.expected_max_sharpe_ratio(trials, 0.03), rel=1e-12)
        assert ours == pytest.approx(0.03 * random.normal(size=(20_000, trials)).max(axis=1).mean(), rel=0.15)
    assert expected_best_sharpe(1, 0.03) == 0.0


def test_the_deflated_ratio_is_that_of_skfolio(random: np.random.Generator) -> None:
    returns, sharpes = skewed(random, 1000), 0.04 * random.normal(size=25)
    theirs = measures.deflated_sharpe_ratio(returns, sharpes)
    assert deflated_sharpe(returns, sharpes) == pytest.approx(theirs, abs=1e-3)
    assert deflated_sharpe(returns, sharpes, trials=1000) < deflated_sharpe(returns, sharpes)
    assert deflated_sharpe(returns, sharpes[:1]) == probabilistic_sharpe(returns)


def test_choices_count_where_one_strategy_alone_left_a_ratio(random: np.random.Generator) -> None:
    returns = random.normal(0.05, 1.0, 800)
    alone = np.array([sharpe_ratio(returns), math.nan])
    left = [deflated_sharpe(returns, alone, trials=count) for count in (1, 2, 65)]
    assert probabilistic_sharpe(returns) == left[0] > left[1] > left[2]
    none = np.full(65, 1.0 / math.sqrt(len(returns) - 1)) * random.normal(
        size=65
    )  # what ratios without an edge spread by
    assert left[2] == pytest.approx(deflated_sharpe(returns, none), abs=0.15)


def test_without_an_edge_the_probability_is_uniform(random: np.random.Generator) -> None:
    values = [probabilistic_sharpe(random.standard_t(5, 500)) for _ in range(400)]
    assert kstest(values, "uniform").pvalue > 0.01


def test_a_search_without_an_edge_is_seldom_called_real(random: np.random.Generator) -> None:
    hits = 0
    for _ in range(200):
        tried = random.normal(size=(400, 20))
        sharpes = np.array([sharpe_ratio(one) for one in tried.T])
        hits += deflated_sharpe(tried[:, sharpes.argmax()], sharpes) > 0.95
    assert hits <= 0.05 * 200


def test_the_interval_holds_the_truth_about_as_often_as_it_says(random: np.random.Generator) -> None:
    inside = 0
    for number in range(60):
        noise = random.normal(size=600)
        returns = 0.1 + noise[1:] + 0.4 * noise[:-1]  # autocorrelated: single draws would give too narrow an interval
        low, high = sharpe_interval(returns, 200, number) or [math.nan, math.nan]
        inside += low <= 0.1 / math.sqrt(1.16) <= high
    assert 0.85 <= inside / 60 <= 1.0


def test_too_little_is_not_judged() -> None:
    assert math.isnan(probabilistic_sharpe(np.ones(5)))
    assert math.isnan(probabilistic_sharpe(np.zeros(100)))
    assert sharpe_interval(np.zeros(100), 10, 0) is None
    assert sharpe_interval(np.arange(5.0), 10, 0) is None
