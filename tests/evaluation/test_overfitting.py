"""Overfitting and superiority say what they must of strategies whose truth is known."""

import numpy as np
import pytest

from deepstack.evaluation.overfitting import backtest_overfitting, superiority


def test_the_probability_is_a_half_on_average_when_no_strategy_differs() -> None:
    random = np.random.default_rng(0)
    values = [backtest_overfitting(random.normal(size=(320, 20)), 8).probability for _ in range(60)]  # type: ignore[union-attr]
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)


def test_a_strategy_that_is_truly_best_is_not_called_overfitted() -> None:
    returns = np.random.default_rng(1).normal(size=(800, 10))
    returns[:, 3] += 0.3
    found = backtest_overfitting(returns)
    assert found is not None and found.probability < 0.01
    assert (found.choices, found.strategies) == (12_870, 10)


def test_every_choice_is_judged_as_by_hand() -> None:
    returns = np.random.default_rng(2).normal(size=(16, 3))
    blocks = returns.reshape(4, 4, 3)
    overfitted = []
    for half in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        other = [k for k in range(4) if k not in half]
        inside, outside = (np.concatenate([blocks[k] for k in part]) for part in (half, other))
        best = (inside.mean(axis=0) / inside.std(axis=0)).argmax()
        outcome = outside.mean(axis=0) / outside.std(axis=0)
        overfitted.append(outcome[best] <= np.median(outcome))
    assert backtest_overfitting(returns, 4).probability == np.mean(overfitted)  # type: ignore[union-attr]


def test_too_little_is_not_judged() -> None:
    assert backtest_overfitting(np.zeros((100, 1))) is None
    assert backtest_overfitting(np.zeros((10, 5))) is None
    assert superiority(np.zeros((100, 3)), np.zeros(100), 100, 0) is None
    assert superiority(np.ones((5, 3)), np.zeros(5), 100, 0) is None


def test_a_model_that_is_truly_better_is_found_and_luck_is_not() -> None:
    random = np.random.default_rng(4)
    noise = random.normal(size=(500, 20))
    lucky = superiority(noise, np.zeros(500), 500, 0)
    assert lucky is not None and min(lucky.spa, lucky.reality_check) > 0.02
    noise[:, 7] += 0.3
    better = superiority(noise, np.zeros(500), 500, 0)
    assert better is not None and max(better.spa, better.reality_check) < 0.02
    assert better.models == 20
