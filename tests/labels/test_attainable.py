"""The attainable AUC: its estimator against closed forms, its growth with the edge, and models against it."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.errors import DataError
from deepstack.labels.attainable import attainable_auc, expected_auc


def test_expected_auc_is_roc_auc_when_outcomes_are_certain() -> None:
    rng = np.random.default_rng(0)
    scores, outcomes = np.round(rng.random(500), 2), (rng.random(500) < 0.4).astype(float)
    auc, influence = expected_auc(scores, outcomes)
    assert auc == pytest.approx(roc_auc_score(outcomes, scores))
    assert influence.mean() == pytest.approx(0.0, abs=1e-12)


def test_expected_auc_is_the_mean_over_drawn_outcomes() -> None:
    rng = np.random.default_rng(1)
    probabilities = rng.uniform(0.2, 0.8, 1000)
    drawn = [roc_auc_score(rng.random(1000) < probabilities, probabilities) for _ in range(200)]
    assert expected_auc(probabilities, probabilities)[0] == pytest.approx(np.mean(drawn), abs=0.004)


def test_expected_auc_of_uniform_probabilities_is_five_sixths() -> None:
    # p uniform on [0, 1]: P(p' < p) weighted by p (1 − p') is ∫∫_{p'<p} 4 p (1 − p') = 5/6.
    probabilities = (np.arange(4000) + 0.5) / 4000
    auc, _ = expected_auc(probabilities, probabilities)
    assert auc == pytest.approx(5.0 / 6.0, abs=1e-3)


def test_standard_error_is_that_of_resampling() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.uniform(0.3, 0.6, 400)
    _, influence = expected_auc(probabilities, probabilities)
    draws = [expected_auc(p, p)[0] for p in (rng.choice(probabilities, 400) for _ in range(400))]
    assert influence.std() / np.sqrt(400) == pytest.approx(np.std(draws), rel=0.15)


def test_grows_with_the_edge_from_what_volatility_alone_allows() -> None:
    aucs = []
    for edge in (0.0, 0.5, 1.0, 2.0):
        config = SyntheticConfig(symbols=4, bars=3000, edge=edge)
        aucs.append(attainable_auc(config, LabelsConfig(), seed=1, candidates=300, paths=128))
    assert abs(aucs[0].auc - 0.505) < 4.0 * aucs[0].standard_error + 0.005
    assert aucs[0].auc < aucs[1].auc < aucs[2].auc < aucs[3].auc
    assert 0.58 < aucs[2].auc < 0.68


def test_same_seed_same_answer() -> None:
    config = SyntheticConfig(symbols=2, bars=1000)
    first, again = (attainable_auc(config, LabelsConfig(), seed=4, candidates=40, paths=32) for _ in range(2))
    assert first == again


def test_no_breakout_is_an_error() -> None:
    with pytest.raises(DataError, match="attainable AUC"):
        attainable_auc(SyntheticConfig(symbols=1, bars=500), LabelsConfig(channel_bars=499), seed=1)


@pytest.mark.slow
def test_default_edge_is_attainable_between_060_and_065() -> None:
    auc, error = attainable_auc(SyntheticConfig(edge=1.0), LabelsConfig(), seed=3, candidates=1500, paths=256)
    assert auc - 2.0 * error > 0.60
    assert auc + 2.0 * error < 0.65
