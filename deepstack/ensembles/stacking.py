"""Stacking: a small model that learns whom to trust (Wolpert 1992, Stacked generalization)."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from deepstack.ensembles.combiner import Combiner, logs

UNITS = 8


def stacking(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """Logistic regression on the members' log-probabilities.

    Args:
        given: float64 [members, samples, classes].
        codes: int [samples], the true classes; a class that is missing keeps probability 0.
    """
    model = LogisticRegression(C=0.1, max_iter=500).fit(logs(given), codes)
    return _layers(given, model.classes_, [model.coef_.T], [model.intercept_])


def neural_stacking(given: np.ndarray, codes: np.ndarray) -> Combiner:
    """One hidden layer of tanh units on the members' log-probabilities, kept small by its weights' penalty."""
    model = MLPClassifier((UNITS,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # wherever it has got to, the folds judge it
        model.fit(logs(given), codes)
    return _layers(given, model.classes_, model.coefs_, model.intercepts_)


def _layers(given: np.ndarray, known: np.ndarray, kernels: list[np.ndarray], biases: list[np.ndarray]) -> Combiner:
    """The layers with one output a class: scikit-learn gives two classes one, and a class it has not met none."""
    classes = given.shape[2]
    kernel, bias = kernels[-1], biases[-1]
    if len(known) == 2 and kernel.shape[1] == 1:
        kernel, bias = np.concatenate([0.0 * kernel, kernel], axis=1), np.concatenate([[0.0], bias])
    whole, offset = np.zeros((len(kernel), classes)), np.full(classes, -50.0)
    whole[:, known], offset[known] = kernel, bias
    shares = np.full(len(given), 1.0 / len(given))
    return Combiner("layers", shares, (*kernels[:-1], whole), (*biases[:-1], offset))
