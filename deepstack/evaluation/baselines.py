"""The models a network must beat: nothing at all, a linear model, a forest and boosted trees, on the same task."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from deepstack.config.evaluation import Baseline, EvaluationConfig
from deepstack.errors import ConfigError, DataError
from deepstack.labels.weights import correct_priors
from deepstack.progress import Progress, no_progress

INVERSE_L2 = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
TRAININGS = {"take_all": 0, "logistic": len(INVERSE_L2)}
"""Models fitted for one baseline, where it is not one."""


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of one model, corrected to the priors.

    Attributes:
        validation, test: float64 [samples of the slice, classes], or [samples] of one class alone.
        chosen: what the fit settled on by the validation slice, by name; empty when nothing was to be chosen.
    """

    validation: np.ndarray
    test: np.ndarray
    chosen: dict[str, float] = field(default_factory=dict)

    def of_class(self, k: int) -> "Predictions":
        """The probabilities of one class."""
        return Predictions(self.validation[:, k], self.test[:, k], self.chosen)


@dataclass(frozen=True)
class Task:
    """What every baseline is fitted on: one output of the labels.

    Attributes:
        x_train, x_validation, x_test: float32 [rows, features], scaled as for the network.
        codes_train, codes_validation: int [rows], class of each; validation chooses the strength of regularisation and
            where to stop.
        weight_train: float64 [rows], mean about 1, the very weights the network is trained with.
        priors: float64 [classes], shares that the weights have balanced away; None when they balance nothing.
        seed: of everything random.

    Raises:
        DataError: shapes that do not match, values that are not finite, or one class only in training.
    """

    x_train: np.ndarray
    codes_train: np.ndarray
    weight_train: np.ndarray
    x_validation: np.ndarray
    codes_validation: np.ndarray
    x_test: np.ndarray
    priors: np.ndarray | None
    seed: int

    def __post_init__(self) -> None:
        _check(self)

    @property
    def classes(self) -> np.ndarray:
        """int [classes]."""
        return np.unique(self.codes_train)

    def predictions(self, predict: Callable[[np.ndarray], np.ndarray], **chosen: float) -> Predictions:
        """Both slices through `predict` (rows → class probabilities under the weights), corrected."""
        priors = np.ones(len(self.classes)) if self.priors is None else self.priors  # float32 rows sum to 1 only nearly
        given = (np.asarray(predict(x), dtype=np.float64) for x in (self.x_validation, self.x_test))
        validation, test = (correct_priors(probability, priors) for probability in given)
        return Predictions(validation, test, chosen)


def fit_baselines(
    plain: Task, lagged: Task, config: EvaluationConfig, *, progress: Progress | None = None
) -> dict[str, Predictions]:
    """Fit every baseline of the config on the training slice and predict validation and test.

    Args:
        plain: the samples as one bar shows them; for the line.
        lagged: the same with bars before it, where the network sees a window; for the trees.
        config: which baselines.
        progress: told as each baseline is done.

    Returns:
        Name → predictions, in the order of the config; they do not depend on the number of cores.
    """
    report = progress or no_progress
    fitted: dict[str, Predictions] = {}
    for done, name in enumerate(config.baselines):
        report("baselines", done, len(config.baselines), name)
        fitted[name] = _FITS[name](lagged if name in _TREES else plain)
    report("baselines", len(config.baselines), len(config.baselines), "done")
    return fitted


def _take_all(task: Task) -> Predictions:
    """Every sample has the same probabilities: the shares of the classes in training."""
    shares = np.bincount(task.codes_train, weights=task.weight_train) / task.weight_train.sum()
    return task.predictions(lambda x: np.tile(shares, (len(x), 1)))


def _logistic(task: Task) -> Predictions:
    """L2-regularised logistic regression, its strength chosen by log-loss on validation."""
    model = LogisticRegression(solver="lbfgs", max_iter=200, warm_start=True)
    candidates = []
    for inverse_l2 in INVERSE_L2:
        model.set_params(C=inverse_l2)
        with warnings.catch_warnings():
            # Weak regularisation of correlated features converges slowly; validation judges wherever it has got to.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(task.x_train, task.codes_train, sample_weight=task.weight_train)
        candidates.append(task.predictions(model.predict_proba, inverse_l2=inverse_l2))
    return min(candidates, key=lambda one: log_loss(task.codes_validation, one.validation, labels=task.classes))


def _random_forest(task: Task) -> Predictions:
    """Breiman 2001, with leaves large enough that their shares mean something."""
    model = RandomForestClassifier(
        n_estimators=100,
        max_depth=12,
        min_samples_leaf=20,
        max_features="sqrt",
        max_samples=0.5,
        n_jobs=-1,
        random_state=task.seed,
    )
    model.fit(task.x_train, task.codes_train, sample_weight=task.weight_train)
    # Threads would add the trees' votes in any order, and the last bit would differ from run to run.
    model.set_params(n_jobs=1)
    return task.predictions(model.predict_proba)


def _gradient_boosting(task: Task) -> Predictions:
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
        random_state=task.seed,
    )
    model.fit(
        task.x_train,
        task.codes_train,
        sample_weight=task.weight_train,
        X_val=task.x_validation,
        y_val=task.codes_validation,
        sample_weight_val=_validation_weight(task),
    )
    return task.predictions(model.predict_proba, iterations=float(model.n_iter_))


def _xgboost(task: Task) -> Predictions:
    """Chen & Guestrin 2016, stopped by log-loss on the validation slice."""
    try:
        from xgboost import XGBClassifier
    except ImportError as error:
        raise ConfigError(
            "evaluation.baselines",
            expected="xgboost installed",
            received="none",
            remedy="pip install 'deepstack[boost]'",
        ) from error
    model = XGBClassifier(
        n_estimators=300,
        learning_rate=0.1,
        max_depth=4,
        min_child_weight=20.0,
        subsample=0.8,
        colsample_bytree=0.8,
        reg_lambda=1.0,
        tree_method="hist",
        early_stopping_rounds=15,
        random_state=task.seed,
    )
    model.fit(
        task.x_train,
        task.codes_train,
        sample_weight=task.weight_train,
        eval_set=[(task.x_validation, task.codes_validation)],
        sample_weight_eval_set=[_validation_weight(task)],
        verbose=False,
    )
    return task.predictions(model.predict_proba, iterations=float(model.best_iteration + 1))


def _validation_weight(task: Task) -> np.ndarray:
    """The training balance on the validation slice: a loss with another balance would stop at the wrong moment."""
    if task.priors is None:
        return np.ones(len(task.codes_validation))
    return 1.0 / (len(task.priors) * task.priors[task.codes_validation])


_FITS: dict[Baseline, Callable[[Task], Predictions]] = {
    "take_all": _take_all,
    "logistic": _logistic,
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
    "xgboost": _xgboost,
}


_TREES = ("random_forest", "gradient_boosting", "xgboost")


def _check(task: Task) -> None:
    rows = (len(task.x_train), len(task.x_validation), len(task.x_test))
    given = (len(task.codes_train), len(task.weight_train), len(task.codes_validation))
    if 0 in rows or given != (rows[0], rows[0], rows[1]):
        raise DataError(
            "baselines",
            expected="matching rows in every slice, at least one each",
            received=f"{rows} rows in train, validation and test, {given} labels, weights and validation labels",
            remedy="pass the slices of one split",
        )
    if len(task.classes) < 2:
        raise DataError(
            "baselines", expected="several classes in training", received="one", remedy="use a longer history"
        )
    for name, x in (("train", task.x_train), ("validation", task.x_validation), ("test", task.x_test)):
        if not np.isfinite(x).all():
            raise DataError(
                f"baselines, {name} features",
                expected="finite values",
                received=f"NaN or infinity in row {int(np.argmin(np.isfinite(x).all(axis=1)))}",
                remedy="cut the warm-up and scale before fitting",
            )
