from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from deepstack.evaluation.coverage import coverage_curve


def test_each_point_is_the_win_rate_of_the_most_probable(trades: pd.DataFrame, probability: np.ndarray) -> None:
    curve = coverage_curve(trades, probability, 200, 0)
    ranked = trades["won"].to_numpy()[np.argsort(-probability)]
    sizes = np.round(curve.coverage * len(trades)).astype(int)
    np.testing.assert_allclose(curve.win_rate, [ranked[:size].mean() for size in sizes], atol=1e-12)
    assert (np.diff(curve.coverage) > 0).all()
    assert curve.coverage[-1] == 1.0
    assert curve.win_rate[-1] == pytest.approx(trades["won"].mean())
    assert (curve.low <= curve.high).all()


def test_a_good_model_wins_more_when_choosier(trades: pd.DataFrame, guess: Callable[..., np.ndarray]) -> None:
    curve = coverage_curve(trades, guess(trades, 1, 0.4), 200, 0)
    assert curve.win_rate[curve.coverage < 0.2].min() > curve.win_rate[-1] + 0.2


def test_a_constant_has_one_point(trades: pd.DataFrame) -> None:
    curve = coverage_curve(trades, np.full(len(trades), 0.4), 200, 0)
    np.testing.assert_array_equal(curve.coverage, [1.0])
