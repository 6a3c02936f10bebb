"""A suggested position is a share of the possible edge, smaller the less it is certain."""

from collections.abc import Callable

import numpy as np
import pytest

from deepstack.pipeline.position import lean, position_size

THRESHOLDS = (0.0, 0.3, 0.6)


def two(won: np.ndarray) -> np.ndarray:
    return np.stack([1.0 - won, won], axis=-1)


def three(direction: np.ndarray) -> np.ndarray:
    """Sell, hold, buy whose buy − sell is `direction`; a tenth of the rest on either side."""
    rest = 0.1 * (1.0 - np.abs(direction))
    sell, buy = np.maximum(-direction, 0.0) + rest, np.maximum(direction, 0.0) + rest
    return np.stack([sell, 1.0 - sell - buy, buy], axis=-1)


def test_the_lean_is_the_win_or_the_direction() -> None:
    assert lean(np.array([0.3, 0.7])) == 0.7
    np.testing.assert_allclose(lean(np.array([[[0.2, 0.3, 0.5]], [[0.6, 0.3, 0.1]]])), [[0.3], [-0.5]])


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_it_grows_from_nothing_at_the_threshold_to_one_when_sure(threshold: float) -> None:
    won = np.linspace(0.0, 1.0, 101)
    position, taken = position_size(two(won), threshold, None)
    np.testing.assert_array_equal(taken, won >= threshold)
    assert not position[won <= threshold].any()
    assert (np.diff(position[won >= threshold]) > 0.0).all()
    assert position[-1] == pytest.approx(1.0)
    np.testing.assert_allclose(position[taken], (won[taken] - threshold) / (1.0 - threshold))


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_direction_and_its_mirror_are_opposite_positions(threshold: float) -> None:
    direction = np.linspace(0.005, 1.0, 100)
    long, buy = position_size(three(direction), threshold, None)
    short, sell = position_size(three(-direction), threshold, None)
    np.testing.assert_allclose(long, -short, atol=1e-12)
    np.testing.assert_array_equal(buy, -sell)
    np.testing.assert_array_equal(buy, (direction >= threshold).astype(np.int8))
    assert (long >= 0.0).all()
    assert (np.sign(long[long > 0.0]) == buy[long > 0.0]).all()


@pytest.mark.parametrize("make", [two, three])
def test_doubt_shrinks_it_as_variance_to_squared_edge(make: Callable[[np.ndarray], np.ndarray]) -> None:
    sure, decision = position_size(make(np.full(6, 0.8)), 0.6, None)
    doubt = np.array([0.0, 0.1, 0.5, 1.0, 10.0, 1e6])
    shrunk, same = position_size(make(np.full(6, 0.8)), 0.6, doubt)
    np.testing.assert_allclose(shrunk, sure**3 / (sure**2 + doubt**2))
    assert (np.diff(shrunk) < 0.0).all()
    assert shrunk[0] == sure[0] == pytest.approx(0.5)
    assert shrunk[3] == pytest.approx(0.5 * 0.25 / 1.25)
    np.testing.assert_array_equal(same, decision)  # how much, not whether


def test_an_outcome_that_spreads_wider_than_its_risk_is_held_in_inverse_proportion() -> None:
    spread = np.array([0.01, 1.0, 4.0, 100.0])
    position, taken = position_size(two(np.full(4, 0.8)), 0.6, aleatoric=spread)
    np.testing.assert_allclose(position, 0.5 * np.array([1.0, 1.0, 0.5, 0.1]))
    assert taken.all()


@pytest.mark.parametrize("deviation", [0.0, 0.3])
def test_nothing_is_divided_by_nothing(deviation: float) -> None:
    """A threshold of 1 leaves no possible edge, and no edge with no doubt has no ratio."""
    position, taken = position_size(two(np.array([0.0, 0.5, 1.0])), 1.0, np.full(3, deviation))
    assert not position.any()
    assert taken.tolist() == [False, False, True]
    position, _ = position_size(three(np.zeros(1)), 0.0, np.full(1, deviation))
    assert position.tolist() == [0.0]
