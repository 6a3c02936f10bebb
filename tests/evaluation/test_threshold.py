import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstack.errors import DataError
from deepstack.evaluation.threshold import choose_threshold

trade = st.tuples(st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.50000001, 0.9]), st.floats(-2.0, 2.0))


@given(st.lists(trade, min_size=1, max_size=40), st.floats(0.01, 1.0))
def test_no_admissible_threshold_is_better(sample: list[tuple[float, float]], floor: float) -> None:
    probability, net_r = np.array(sample).T
    best = choose_threshold(probability, net_r, floor)
    taken = best.take(probability)
    assert best.coverage == taken.mean() >= floor - 1e-9
    assert best.expectancy_r == pytest.approx(net_r[taken].mean(), abs=1e-9)
    for cut in probability:
        other = probability >= cut
        if other.mean() >= floor:
            assert net_r[other].mean() <= best.expectancy_r + 1e-9


def test_of_equally_good_thresholds_the_one_that_takes_more() -> None:
    chosen = choose_threshold(np.array([0.9, 0.8, 0.7, 0.1]), np.array([1.0, 1.0, 1.0, -1.0]), 0.1)
    assert chosen.coverage == 0.75
    assert chosen.value == pytest.approx(0.4)


def test_a_constant_takes_everything() -> None:
    chosen = choose_threshold(np.full(5, 0.4), np.array([1.0, -1.0, -1.0, 0.5, 0.0]), 0.1)
    assert (chosen.value, chosen.coverage) == (0.0, 1.0)


def test_losing_everywhere_still_gives_the_best_and_says_so() -> None:
    chosen = choose_threshold(np.array([0.6, 0.5, 0.4]), np.array([-0.1, -0.5, -0.9]), 0.1)
    assert chosen.expectancy_r == pytest.approx(-0.1)
    assert not chosen.profitable
    assert "loses least" in str(chosen)


def test_neighbouring_floats_are_not_mixed() -> None:
    low = 0.5
    high = np.nextafter(low, 1.0)
    chosen = choose_threshold(np.array([high, low]), np.array([1.0, -1.0]), 0.5)
    np.testing.assert_array_equal(chosen.take(np.array([high, low])), [True, False])


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(DataError):
        choose_threshold(np.empty(0), np.empty(0), 0.1)
    with pytest.raises(DataError, match="net_r"):
        choose_threshold(np.array([0.5]), np.array([np.nan]), 0.1)
