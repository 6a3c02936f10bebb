import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from deepstack.evaluation.calibration import expected_calibration_error, reliability


def test_curve_equals_scikit_learn_quantile_bins() -> None:
    random = np.random.default_rng(0)
    probability = random.uniform(size=1501)
    won = random.uniform(size=1501) < probability**2
    observed, predicted = calibration_curve(won, probability, n_bins=10, strategy="quantile")
    curve = reliability(won, probability, bins=10)
    # An edge may fall on the other side of one trade of 150.
    np.testing.assert_allclose(curve.observed, observed, atol=0.01)
    np.testing.assert_allclose(curve.predicted, predicted, atol=0.01)
    assert curve.trades.sum() == 1501
    assert np.ptp(curve.trades) <= 2


def test_constant_prediction_errs_by_its_distance_from_the_base_rate() -> None:
    won = np.arange(100) < 37
    assert expected_calibration_error(won, np.full(100, 0.5)) == pytest.approx(0.13, abs=1e-12)
    assert expected_calibration_error(won, np.full(100, 0.37)) == pytest.approx(0.0, abs=1e-12)


def test_true_probabilities_are_calibrated_and_shifted_ones_err_by_the_shift() -> None:
    random = np.random.default_rng(1)
    truth = random.uniform(0.2, 0.6, size=200_000)
    won = random.uniform(size=truth.size) < truth
    assert expected_calibration_error(won, truth) < 0.01
    assert expected_calibration_error(won, truth + 0.1) == pytest.approx(0.1, abs=0.005)


def test_equal_probabilities_share_a_bin() -> None:
    probability = np.repeat([0.2, 0.4], [990, 10])
    curve = reliability(probability > 0.3, probability)
    np.testing.assert_array_equal(curve.trades, [990, 10])
    np.testing.assert_array_equal(curve.observed, [0.0, 1.0])
