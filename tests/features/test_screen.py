"""Screening finds what acts by sign, by size or in one region, ignores noise, and keeps the given order."""

import numpy as np
from scipy.stats import chi2_contingency

from deepstack.features.screen import association, screen_features


def _data(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.normal(size=(rows, 6)).astype(np.float32)
    score = 0.8 * x[:, 1] + 1.2 * (np.abs(x[:, 3]) - 0.8) + 1.5 * (x[:, 5] > 1.2)
    return x, random.random(rows) < 1 / (1 + np.exp(-score))


def test_finds_linear_even_and_local_effects() -> None:
    x, won = _data()
    assert screen_features(x, won, list("abcdef"), 3) == ("b", "d", "f")


def test_score_is_the_chi_square_of_the_contingency_table() -> None:
    x, won = _data()
    edges = np.quantile(x[:, 1], np.linspace(0, 1, 11)[1:-1])
    table = np.zeros((10, 2))
    np.add.at(table, (np.searchsorted(edges, x[:, 1]), won.astype(int)), 1)
    chi2 = chi2_contingency(table, correction=False)
    assert np.isclose(association(x[:, 1], won), chi2.statistic - chi2.dof)


def test_noise_scores_about_zero_and_constants_nothing() -> None:
    random = np.random.default_rng(5)
    won = random.random(2000) < 0.4
    scores = [association(random.normal(size=2000), won) for _ in range(200)]
    assert abs(np.mean(scores)) < 1.0
    assert association(np.zeros(2000), won) == 0.0


def test_keeps_all_when_there_are_few() -> None:
    x, won = _data(200)
    assert screen_features(x, won, list("abcdef"), 6) == tuple("abcdef")
