import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from deepstack.config.evaluation import EvaluationConfig
from deepstack.errors import DataError
from deepstack.evaluation.baselines import INVERSE_L2, Predictions, Task, fit_baselines

CONFIG = EvaluationConfig()


class World:
    """Samples with a linear and a V-shaped edge, and the weights that balance their classes."""

    def __init__(self, rows: int = 3000, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.x = random.normal(size=(rows, 8)).astype(np.float32)
        logit = 0.6 * self.x[:, 0] + 1.2 * (np.abs(self.x[:, 1]) - 0.8) - 1.0
        self.won = random.uniform(size=rows) < 1.0 / (1.0 + np.exp(-logit))
        third = rows // 3
        self.train, self.validation, self.test = slice(0, third), slice(third, 2 * third), slice(2 * third, rows)
        self.prior = float(self.won[self.train].mean())
        self.balanced = np.where(self.won[self.train], 0.5 / self.prior, 0.5 / (1.0 - self.prior))

    def task(self, weight: np.ndarray, priors: np.ndarray | None, seed: int = 3, lags: int = 1) -> Task:
        """What baselines see of it: the rows themselves, and beside each the `lags` - 1 rows before it."""
        x = np.concatenate([np.roll(self.x, lag, axis=0) for lag in range(lags)], axis=1)
        train, validation = self.train, self.validation
        codes = self.won.astype(np.int8)
        known = x[train], codes[train], weight, x[validation], codes[validation]
        return Task(*known, x[self.test], priors, seed)

    def fit(self, weight: np.ndarray, priors: np.ndarray | None) -> dict[str, Predictions]:
        task = self.task(weight, priors)
        return fit_baselines(task, task, CONFIG)

    @property
    def priors(self) -> np.ndarray:
        return np.array([1.0 - self.prior, self.prior])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def fitted(world: World) -> dict[str, Predictions]:
    return world.fit(world.balanced, world.priors)


def test_every_baseline_of_the_config_predicts_both_slices(world: World, fitted: dict[str, Predictions]) -> None:
    assert list(fitted) == list(CONFIG.baselines)
    for predictions in fitted.values():
        assert predictions.validation.shape == predictions.test.shape == (1000, 2)
        assert predictions.test.dtype == np.float64
        assert ((predictions.test > 0.0) & (predictions.test < 1.0)).all()
        np.testing.assert_allclose(predictions.test.sum(axis=1), 1.0, atol=1e-12)
        alone = predictions.of_class(1)
        np.testing.assert_array_equal(alone.test, predictions.test[:, 1])
        assert (alone.validation.shape, alone.chosen) == ((1000,), predictions.chosen)


def test_trees_see_the_v_that_a_line_cannot(world: World, fitted: dict[str, Predictions]) -> None:
    won = world.won[world.test]
    auc = {name: roc_auc_score(won, predictions.test[:, 1]) for name, predictions in fitted.items()}
    assert auc["take_all"] == 0.5
    assert auc["logistic"] > 0.58
    assert min(auc["random_forest"], auc["gradient_boosting"]) > auc["logistic"] + 0.03


def test_probabilities_are_corrected_to_the_prior(world: World, fitted: dict[str, Predictions]) -> None:
    np.testing.assert_allclose(fitted["take_all"].test[:, 1], world.prior, atol=1e-9)
    for predictions in fitted.values():
        assert predictions.test[:, 1].mean() == pytest.approx(world.won[world.test].mean(), abs=0.05)


@pytest.mark.filterwarnings("error")
def test_unbalanced_weights_need_no_correction(world: World) -> None:
    plain = world.fit(np.ones(1000), None)
    np.testing.assert_allclose(plain["take_all"].test[:, 1], world.prior, atol=1e-9)
    assert plain["gradient_boosting"].test[:, 1].mean() == pytest.approx(world.won[world.test].mean(), abs=0.05)


def test_the_same_seed_gives_the_same_probabilities(world: World, fitted: dict[str, Predictions]) -> None:
    again = world.fit(world.balanced, world.priors)
    for name, predictions in fitted.items():
        np.testing.assert_array_equal(predictions.test, again[name].test)


def test_regularisation_is_chosen_on_validation(world: World, fitted: dict[str, Predictions]) -> None:
    chosen = fitted["logistic"]
    assert chosen.chosen["inverse_l2"] in INVERSE_L2
    won = world.won[world.validation]
    assert log_loss(won, chosen.validation) < log_loss(won, fitted["take_all"].validation)


def test_three_classes_come_back_at_their_own_shares() -> None:
    random = np.random.default_rng(7)
    x = random.normal(size=(6000, 4)).astype(np.float32)
    codes = np.digitize(x[:, 0] + random.normal(size=6000), [-1.5, 0.8]).astype(np.int8)
    priors = np.bincount(codes[:2000]) / 2000
    balanced = (1.0 / (3.0 * priors))[codes[:2000]]
    task = Task(x[:2000], codes[:2000], balanced, x[2000:4000], codes[2000:4000], x[4000:], priors, 3)
    fitted = fit_baselines(task, task, CONFIG)
    np.testing.assert_allclose(fitted["take_all"].test, np.tile(priors, (2000, 1)), atol=1e-9)
    for name, predictions in fitted.items():
        np.testing.assert_allclose(predictions.test.mean(axis=0), np.bincount(codes[4000:]) / 2000, atol=0.05)
        loss = log_loss(codes[4000:], predictions.test)
        assert name == "take_all" or loss < log_loss(codes[4000:], fitted["take_all"].test) - 0.05


def test_trees_see_the_bars_before_and_the_line_the_last_alone(world: World) -> None:
    plain, lagged = (world.task(world.balanced, world.priors, lags=lags) for lags in (1, 3))
    seen = fit_baselines(plain, lagged, CONFIG)
    alone, both = (fit_baselines(task, task, CONFIG) for task in (plain, lagged))
    for name, like, unlike in (
        ("logistic", alone, both),
        ("random_forest", both, alone),
        ("gradient_boosting", both, alone),
    ):
        np.testing.assert_array_equal(seen[name].test, like[name].test)
        assert not np.array_equal(seen[name].test, unlike[name].test)


def test_unusable_samples_are_refused(world: World) -> None:
    with pytest.raises(DataError, match="matching rows"):
        world.fit(np.ones(3), None)
    one_class = World()
    one_class.won = np.zeros_like(one_class.won)
    with pytest.raises(DataError, match="several classes in training, received one"):
        one_class.fit(np.ones(1000), None)
    holed = World()
    holed.x[1500, 2] = np.nan
    with pytest.raises(DataError, match="row 500"):
        holed.fit(np.ones(1000), None)
