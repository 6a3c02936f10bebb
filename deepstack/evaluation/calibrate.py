"""Fitting a calibration on the validation slice, which answers for itself out of fold."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from deepstack.calibration import SMALLEST, Calibration
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.out_of_fold import FOLDS, purged_folds


def calibrated(
    method: str, predictions: Predictions, codes: np.ndarray, times: pd.DataFrame
) -> tuple[Predictions, Calibration]:
    """Calibrate a model's probabilities.

    Args:
        method: `none`, `temperature`, `platt` or `isotonic`.
        predictions: class probabilities [samples, classes] of both slices.
        codes: int [validation samples], the true classes.
        times: decision_time and end_time of the validation samples, sorted by decision time.

    Returns:
        The predictions: on test by what was fitted on all of validation, on validation each purged fold by what was
        fitted on the others, so that a threshold chosen there is not chosen on memorised outcomes; a fold whose others
        lack a class stays as it was. And the calibration.
    """
    if method == "none":
        return predictions, Calibration()
    fit = METHODS[method]
    whole = fit(predictions.validation, codes)
    validation = np.empty_like(predictions.validation)
    for rows, others in purged_folds(times, FOLDS):
        known = len(np.unique(codes[others])) == predictions.validation.shape[1]
        one = fit(predictions.validation[others], codes[others]) if known else Calibration()
        validation[rows] = one(predictions.validation[rows])
    return replace(predictions, validation=validation, test=whole(predictions.test)), whole


def temperature(probability: np.ndarray, codes: np.ndarray) -> Calibration:
    """One factor for all log-probabilities, of least log-loss.

    Source: Guo et al. 2017, On calibration of modern neural networks, ICML.
    """
    logs = np.log(np.clip(probability, SMALLEST, 1.0))
    (slope,) = _least_loss(lambda free: (free[0], np.zeros(logs.shape[1])), logs, codes, np.ones(1))
    return Calibration(slope=slope)


def platt(probability: np.ndarray, codes: np.ndarray) -> Calibration:
    """One factor for all log-probabilities and an offset a class: of two classes, logistic regression on the log odds.

    Source: Platt 1999, Probabilistic outputs for support vector machines; for several classes Alexandari et al. 2020,
    Maximum likelihood with bias-corrected calibration.
    """
    logs = np.log(np.clip(probability, SMALLEST, 1.0))
    start = np.concatenate([[1.0], np.zeros(logs.shape[1] - 1)])
    slope, *offset = _least_loss(lambda free: (free[0], np.concatenate([[0.0], free[1:]])), logs, codes, start)
    return Calibration(slope=slope, offset=(0.0, *offset))


def isotonic(probability: np.ndarray, codes: np.ndarray) -> Calibration:
    """A rising step function of each class against the others, its shares kept off 0 and 1 by half an outcome.

    Source: Zadrozny & Elkan 2002, Transforming classifier scores into accurate multiclass probability estimates, KDD.
    """
    least = 0.5 / (len(codes) + 1.0)
    classes = probability.shape[1]
    knots = []
    for k in range(classes) if classes > 2 else (1,):
        fitted = IsotonicRegression(y_min=least, y_max=1.0 - least, out_of_bounds="clip")
        fitted.fit(probability[:, k], codes == k)
        knots.append((tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist())))
    return Calibration(knots=tuple(knots))


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], Calibration]] = {
    "temperature": temperature,
    "platt": platt,
    "isotonic": isotonic,
}


def _least_loss(
    read: Callable[[np.ndarray], tuple[float, np.ndarray]], logs: np.ndarray, codes: np.ndarray, start: np.ndarray
) -> list[float]:
    """The free numbers of least mean log-loss; the loss is convex in them."""
    one_hot = np.eye(logs.shape[1])[codes]

    def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
        slope, offset = read(free)
        logits = slope * logs + offset
        logits = logits - logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        error = np.exp(logits - total) - one_hot
        gradient = np.concatenate([[(error * logs).sum(axis=1).mean()], error.mean(axis=0)[1:]])
        return float((total[:, 0] - (logits * one_hot).sum(axis=1)).mean()), gradient[: len(free)]

    # The bound keeps the order of the classes; without it a model worse than chance would be turned around.
    bounds = [(1e-3, 1e3), *[(-50.0, 50.0)] * (len(start) - 1)]
    return [float(value) for value in minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12).x]
