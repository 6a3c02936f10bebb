"""Screening finds what acts by sign, by size or in one region, ignores noise, and keeps the given order."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from deepstack.features.screen import association, screen_features


def _data(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.normal(size=(rows, 6)).astype(np.float32)
    score = 0.8 * x[:, 1] + 1.2 * (np.abs(x[:, 3]) - 0.8) + 1.5 * (x[:, 5] > 1.2)
    return x, (random.random(rows) < 1 / (1 + np.exp(-score))).astype(np.int8)


def test_finds_linear_even_and_local_effects() -> None:
    x, won = _data()
    assert screen_features(x, won[:, None], list("abcdef"), 3) == ("b", "d", "f")


def test_finds_what_matters_to_any_of_several_outputs() -> None:
    x, won = _data()
    random = np.random.default_rng(4)
    moves = 1 + (x[:, 0] + random.normal(size=len(x)) > 1.0) - (x[:, 0] + random.normal(size=len(x)) < -1.0)
    codes = np.stack([won, moves], axis=1)
    assert screen_features(x, codes, list("abcdef"), 4) == ("a", "b", "d", "f")
    scores = [sum(association(column, output) for output in codes.T) for column in x.T]
    assert screen_features(x, codes, list("abcdef"), 1) == ("abcdef"[int(np.argmax(scores))],)


@pytest.mark.parametrize("classes", [2, 3])
def test_score_is_the_chi_square_of_the_contingency_table(classes: int) -> None:
    x, won = _data()
    codes = won if classes == 2 else won + (x[:, 2] > 0.5)
    edges = np.quantile(x[:, 1], np.linspace(0, 1, 11)[1:-1])
    table = np.zeros((10, classes))
    np.add.at(table, (np.searchsorted(edges, x[:, 1]), codes), 1)
    chi2 = chi2_contingency(table, correction=False)
    assert np.isclose(association(x[:, 1], codes), chi2.statistic - chi2.dof)


@pytest.mark.parametrize("shares", [(0.6, 0.4), (0.3, 0.5, 0.2)])
def test_noise_scores_about_zero_and_constants_nothing(shares: tuple[float, ...]) -> None:
    random = np.random.default_rng(5)
    codes = random.choice(len(shares), 2000, p=shares)
    scores = [association(random.normal(size=2000), codes) for _ in range(200)]
    assert abs(np.mean(scores)) < 1.0
    assert association(np.zeros(2000), codes) == 0.0


def test_keeps_all_when_there_are_few() -> None:
    x, won = _data(200)
    assert screen_features(x, won[:, None], list("abcdef"), 6) == tuple("abcdef")
