"""Calibrations against scikit-learn, on probabilities whose truth is known, and out of fold on validation."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from deepstack.calibration import Calibration
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.calibrate import METHODS, calibrated, isotonic, platt, temperature
from deepstack.evaluation.calibration import expected_calibration_error
from deepstack.evaluation.out_of_fold import purged_folds


def overconfident(classes: int, count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Given and true probabilities, and classes drawn from the true ones: the given logits are 2.5 times too large."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, classes))
    true, given = (softmax(factor * logits, axis=1) for factor in (1.0, 2.5))
    codes = (random.uniform(size=(count, 1)) > true.cumsum(axis=1)).sum(axis=1)
    return given, true, codes


def times_of(count: int) -> pd.DataFrame:
    decided = pd.date_range("2024-01-01", periods=count, freq="1min", tz="UTC")
    return pd.DataFrame({"decision_time": decided, "end_time": decided + pd.Timedelta("5min")})


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_what_was_overconfident_comes_true_as_often_as_it_says(method: str, classes: int) -> None:
    given, _, codes = overconfident(classes)
    fitted = METHODS[method](given, codes)
    fresh, fresh_true, fresh_codes = overconfident(classes, seed=1)
    after = fitted(fresh)
    np.testing.assert_allclose(after.sum(axis=1), 1.0)
    assert np.abs(after - fresh_true).mean() < 0.03
    before_ece, after_ece = (
        expected_calibration_error(fresh_codes == 1, probability[:, 1]) for probability in (fresh, after)
    )
    assert after_ece < 0.3 * before_ece
    assert log_loss(fresh_codes, after) < log_loss(fresh_codes, fresh)


@pytest.mark.parametrize("classes", [2, 3])
def test_temperature_is_that_of_scikit_learn(classes: int) -> None:
    given, _, codes = overconfident(classes)
    line = LogisticRegression().fit(np.log(given), codes)
    theirs = CalibratedClassifierCV(FrozenEstimator(line), method="temperature", ensemble=False)
    theirs.fit(np.log(given), codes)
    ours = temperature(line.predict_proba(np.log(given)), codes)(line.predict_proba(np.log(given)))
    np.testing.assert_allclose(ours, theirs.predict_proba(np.log(given)), atol=1e-4)


def test_platt_is_logistic_regression_on_the_log_odds() -> None:
    given, _, codes = overconfident(2)
    odds = np.log(given[:, 1:] / given[:, :1])
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(odds, codes).predict_proba(odds)
    np.testing.assert_allclose(platt(given, codes)(given), theirs, atol=1e-5)


def test_isotonic_is_that_of_scikit_learn_kept_off_certainty() -> None:
    given, _, codes = overconfident(2, count=300)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(given[:, 1], codes).predict(given[:, 1])
    ours = isotonic(given, codes)(given)[:, 1]
    assert ours.min() > 0.0 and ours.max() < 1.0
    np.testing.assert_allclose(ours, np.clip(theirs, 0.5 / 301, 1.0 - 0.5 / 301), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_json_keeps_a_calibration_whole(method: str) -> None:
    given, _, codes = overconfident(3, count=500)
    fitted = METHODS[method](given, codes)
    read = Calibration.of(json.loads(json.dumps(fitted.tree())))
    np.testing.assert_array_equal(read(given), fitted(given))
    assert read.changes


@pytest.mark.parametrize("method", METHODS)
def test_a_fold_is_calibrated_without_its_own_outcomes(method: str) -> None:
    given, _, codes = overconfident(2, count=600)
    predictions, times = Predictions(given, given), times_of(600)
    rows, others = purged_folds(times, 5)[2]
    assert not set(others) & set(range(rows[0] - 5, rows[-1] + 6))
    before = calibrated(method, predictions, codes, times)[0].validation
    other = codes.copy()
    other[rows] = 1 - other[rows]
    after = calibrated(method, predictions, other, times)[0].validation
    np.testing.assert_array_equal(after[rows], before[rows])
    assert not np.allclose(after, before)


def test_none_changes_nothing_and_constants_can_be_calibrated() -> None:
    given, _, codes = overconfident(2, count=100)
    predictions = Predictions(given, given)
    same, calibration = calibrated("none", predictions, codes, times_of(100))
    assert same is predictions and not calibration.changes and calibration(given) is given
    flat = replace(predictions, validation=np.full((100, 2), 0.5), test=np.full((100, 2), 0.5))
    for method in METHODS:
        found = calibrated(method, flat, codes, times_of(100))[0].test
        assert np.isfinite(found).all() and np.ptp(found[:, 1]) == 0.0
