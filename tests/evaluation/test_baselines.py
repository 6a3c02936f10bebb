import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from deepstack.config.evaluation import EvaluationConfig
from deepstack.errors import DataError
from deepstack.evaluation.baselines import INVERSE_L2, Predictions, fit_baselines

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

    def fit(self, weight: np.ndarray, prior: float | None, seed: int = 3) -> dict[str, Predictions]:
        train, validation = self.train, self.validation
        return fit_baselines(
            self.x[train],
            self.won[train],
            weight,
            self.x[validation],
            self.won[validation],
            self.x[self.test],
            CONFIG,
            seed=seed,
            prior=prior,
        )


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def fitted(world: World) -> dict[str, Predictions]:
    return world.fit(world.balanced, world.prior)


def test_every_baseline_of_the_config_predicts_both_slices(world: World, fitted: dict[str, Predictions]) -> None:
    assert list(fitted) == list(CONFIG.baselines)
    for predictions in fitted.values():
        assert predictions.validation.shape == predictions.test.shape == (1000,)
        assert predictions.test.dtype == np.float64
        assert ((predictions.test > 0.0) & (predictions.test < 1.0)).all()


def test_trees_see_the_v_that_a_line_cannot(world: World, fitted: dict[str, Predictions]) -> None:
    won = world.won[world.test]
    auc = {name: roc_auc_score(won, predictions.test) for name, predictions in fitted.items()}
    assert auc["take_all"] == 0.5
    assert auc["logistic"] > 0.58
    assert min(auc["random_forest"], auc["gradient_boosting"]) > auc["logistic"] + 0.03


def test_probabilities_are_corrected_to_the_prior(world: World, fitted: dict[str, Predictions]) -> None:
    np.testing.assert_allclose(fitted["take_all"].test, world.prior, atol=1e-9)
    for predictions in fitted.values():
        assert predictions.test.mean() == pytest.approx(world.won[world.test].mean(), abs=0.05)


def test_unbalanced_weights_need_no_correction(world: World) -> None:
    plain = world.fit(np.ones(1000), None)
    np.testing.assert_allclose(plain["take_all"].test, world.prior, atol=1e-9)
    assert plain["gradient_boosting"].test.mean() == pytest.approx(world.won[world.test].mean(), abs=0.05)


def test_the_same_seed_gives_the_same_probabilities(world: World, fitted: dict[str, Predictions]) -> None:
    again = world.fit(world.balanced, world.prior)
    for name, predictions in fitted.items():
        np.testing.assert_array_equal(predictions.test, again[name].test)


def test_regularisation_is_chosen_on_validation(world: World, fitted: dict[str, Predictions]) -> None:
    chosen = fitted["logistic"]
    assert chosen.chosen["inverse_l2"] in INVERSE_L2
    won = world.won[world.validation]
    assert log_loss(won, chosen.validation) < log_loss(won, fitted["take_all"].validation)


def test_unusable_samples_are_refused(world: World) -> None:
    with pytest.raises(DataError, match="matching rows"):
        world.fit(np.ones(3), None)
    one_class = World()
    one_class.won = np.zeros_like(one_class.won)
    with pytest.raises(DataError, match="one class"):
        one_class.fit(np.ones(1000), None)
    holed = World()
    holed.x[1500, 2] = np.nan
    with pytest.raises(DataError, match="row 500"):
        holed.fit(np.ones(1000), None)
