"""The models a network must beat: nothing at all, a linear model, a forest and boosted trees, on the same samples."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from deepstack.config.evaluation import Baseline, EvaluationConfig
from deepstack.errors import DataError
from deepstack.labels.weights import correct_prior
from deepstack.progress import Progress, no_progress

INVERSE_L2 = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Predictions:
    """Probabilities of winning, corrected to the prior, of one model.

    Attributes:
        validation, test: float64 [trades of the slice].
        chosen: what the fit settled on by the validation slice, by name; empty when nothing was to be chosen.
    """

    validation: np.ndarray
    test: np.ndarray
    chosen: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Samples:
    """What every baseline is fitted on.

    Attributes:
        x_train, x_validation, x_test: float32 [rows, features], scaled.
        won_train, won_validation: bool [rows].
        weight_train: float64 [rows], mean about 1.
        prior: share of winners that the weights have balanced away; None when they balance nothing.
        seed: of everything random.
    """

    x_train: np.ndarray
    won_train: np.ndarray
    weight_train: np.ndarray
    x_validation: np.ndarray
    won_validation: np.ndarray
    x_test: np.ndarray
    prior: float | None
    seed: int

    def correct(self, probability: np.ndarray) -> np.ndarray:
        """A probability learnt under the weights, corrected to the prior."""
        values = np.asarray(probability, dtype=np.float64)
        return values if self.prior is None else np.asarray(correct_prior(values, self.prior), dtype=np.float64)

    def predictions(self, predict: Callable[[np.ndarray], np.ndarray], **chosen: float) -> Predictions:
        """Both slices through `predict` (rows → probabilities of lost and won), corrected."""
        validation, test = (self.correct(predict(x)[:, 1]) for x in (self.x_validation, self.x_test))
        return Predictions(validation, test, chosen)


def fit_baselines(
    x_train: np.ndarray,
    won_train: np.ndarray,
    weight_train: np.ndarray,
    x_validation: np.ndarray,
    won_validation: np.ndarray,
    x_test: np.ndarray,
    config: EvaluationConfig,
    *,
    seed: int,
    prior: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Predictions]:
    """Fit every baseline of the config on the training slice and predict validation and test.

    Args:
        x_train, x_validation, x_test: float32 [rows, features], scaled as for the network.
        won_train, won_validation: bool [rows]; validation chooses the strength of regularisation and where to stop.
        weight_train: float64 [rows], the very weights the network is trained with.
        config: which baselines.
        seed: of everything random; the result does not depend on the number of cores.
        prior: share of winners in training if the weights balance the classes, to correct the probabilities back;
            None if they do not.
        progress: told as each baseline is done.

    Returns:
        Name → predictions, in the order of the config.

    Raises:
        DataError: shapes that do not match, values that are not finite, or one class only in training.
    """
    samples = _Samples(
        x_train,
        np.asarray(won_train, dtype=bool),
        np.asarray(weight_train, dtype=np.float64),
        x_validation,
        np.asarray(won_validation, dtype=bool),
        x_test,
        prior,
        seed,
    )
    _check(samples)
    report = progress or no_progress
    fitted: dict[str, Predictions] = {}
    for done, name in enumerate(config.baselines):
        report("baselines", done, len(config.baselines), name)
        fitted[name] = _FITS[name](samples)
    report("baselines", len(config.baselines), len(config.baselines), "done")
    return fitted


def _take_all(samples: _Samples) -> Predictions:
    """Every trade has the same probability: the share of winners in training."""
    share = float(np.average(samples.won_train, weights=samples.weight_train))
    return samples.predictions(lambda x: np.tile([1.0 - share, share], (len(x), 1)))


def _logistic(samples: _Samples) -> Predictions:
    """L2-regularised logistic regression, its strength chosen by log-loss on validation."""
    model = LogisticRegression(solver="lbfgs", max_iter=200, warm_start=True)
    candidates = []
    for inverse_l2 in INVERSE_L2:
        model.set_params(C=inverse_l2)
        with warnings.catch_warnings():
            # Weak regularisation of correlated features converges slowly; validation judges wherever it has got to.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(samples.x_train, samples.won_train, sample_weight=samples.weight_train)
        candidates.append(samples.predictions(model.predict_proba, inverse_l2=inverse_l2))
    return min(candidates, key=lambda one: log_loss(samples.won_validation, one.validation, labels=[False, True]))


def _random_forest(samples: _Samples) -> Predictions:
    """Breiman 2001, with leaves large enough that their shares mean something."""
    model = RandomForestClassifier(
        n_estimators=100,
        max_depth=12,
        min_samples_leaf=20,
        max_features="sqrt",
        max_samples=0.5,
        n_jobs=-1,
        random_state=samples.seed,
    )
    model.fit(samples.x_train, samples.won_train, sample_weight=samples.weight_train)
    # Threads would add the trees' votes in any order, and the last bit would differ from run to run.
    model.set_params(n_jobs=1)
    return samples.predictions(model.predict_proba)


def _gradient_boosting(samples: _Samples) -> Predictions:
    """Histogram gradient boosting, stopped by log-loss on the validation slice."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=300,
        max_leaf_nodes=15,
        min_samples_leaf=40,
        l2_regularization=1.0,
        # A quarter of the default: histograms stay in cache, three times faster at no loss of AUC.
        max_bins=63,
        early_stopping=True,
        n_iter_no_change=15,
        random_state=samples.seed,
    )
    model.fit(
        samples.x_train,
        samples.won_train,
        sample_weight=samples.weight_train,
        X_val=samples.x_validation,
        y_val=samples.won_validation,
        sample_weight_val=_validation_weight(samples),
    )
    return samples.predictions(model.predict_proba, iterations=float(model.n_iter_))


def _validation_weight(samples: _Samples) -> np.ndarray:
    """The training balance on the validation slice: a loss with another balance would stop at the wrong moment."""
    if samples.prior is None:
        return np.ones(len(samples.won_validation))
    return np.where(samples.won_validation, 0.5 / samples.prior, 0.5 / (1.0 - samples.prior))


_FITS: dict[Baseline, Callable[[_Samples], Predictions]] = {
    "take_all": _take_all,
    "logistic": _logistic,
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
}


def _check(samples: _Samples) -> None:
    rows = (len(samples.x_train), len(samples.x_validation), len(samples.x_test))
    given = (len(samples.won_train), len(samples.weight_train), len(samples.won_validation))
    if 0 in rows or given != (rows[0], rows[0], rows[1]):
        raise DataError(
            "baselines",
            expected="matching rows in every slice, at least one each",
            received=f"{rows} rows in train, validation and test, {given} labels, weights and validation labels",
            remedy="pass the slices of one split",
        )
    if samples.won_train.all() or not samples.won_train.any():
        raise DataError(
            "baselines", expected="winners and losers in training", received="one class", remedy="use a longer history"
        )
    for name, x in (("train", samples.x_train), ("validation", samples.x_validation), ("test", samples.x_test)):
        if not np.isfinite(x).all():
            raise DataError(
                f"baselines, {name} features",
                expected="finite values",
                received=f"NaN or infinity in row {int(np.argmin(np.isfinite(x).all(axis=1)))}",
                remedy="cut the warm-up and scale before fitting",
            )
