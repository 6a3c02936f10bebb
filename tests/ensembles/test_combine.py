"""Combining probabilities: what each method is, and that nothing answers for what it has learned from."""

import numpy as np
import pandas as pd
import pytest

from deepstack.ensembles.combine import METHODS, Members, combine
from deepstack.ensembles.weighted import weighted
from deepstack.evaluation.out_of_fold import purged_folds
from deepstack.studies.two_stage import confirmed


def members_of(samples: int = 400, seed: int = 0, holding: int = 7) -> Members:
    """Three members: a good one, a poor one, one that knows nothing."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, 2 * samples)
    truth = np.eye(3)[codes]
    raw = np.stack([share * truth + random.dirichlet(np.ones(3), 2 * samples) for share in (0.8, 0.2, 0.0)])
    given = raw / raw.sum(axis=2, keepdims=True)
    decided = pd.date_range("2024-01-01", periods=samples, freq="1min", tz="UTC")
    times = pd.DataFrame({"decision_time": decided, "end_time": decided + pd.Timedelta(minutes=holding)})
    return Members(given[:, :samples], given[:, samples:], codes[:samples], times)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_probabilities(method: str) -> None:
    members = members_of()
    found, _ = combine(method, members)
    for given, slice_of in ((found.validation, members.validation), (found.test, members.test)):
        assert given.shape == slice_of.shape[1:]
        np.testing.assert_allclose(given.sum(axis=1), 1.0)
        assert (given >= 0.0).all()


def test_mean_and_vote_are_what_their_names_say() -> None:
    members = members_of()
    kept = list(combine("mean", members)[1].pruned.kept)
    stay = members.test[kept]
    np.testing.assert_allclose(combine("mean", members)[0].test, stay.sum(axis=0) / len(kept))
    votes = np.array([np.bincount(row, minlength=3) for row in stay.argmax(axis=2).T])
    np.testing.assert_allclose(combine("voting", members)[0].test, (votes + 1) / (len(kept) + 3))


def test_weights_are_the_best_of_the_simplex() -> None:
    members = members_of()
    combiner = weighted(members.validation, members.codes)
    shares = combiner(np.eye(3)[:, None])[0]
    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 41) for b in np.linspace(0, 1 - a, 41)]
    of_truth = members.validation[:, np.arange(len(members.codes)), members.codes]
    losses = [-np.log(np.array(point) @ of_truth).mean() for point in grid]
    assert -np.log(shares @ of_truth).mean() <= min(losses) + 1e-6
    assert shares.sum() == pytest.approx(1.0) and (shares >= 0.0).all()


def test_stacking_learns_whom_to_trust() -> None:
    members = members_of()
    truth = members_of(seed=0)

    def loss(given: np.ndarray) -> float:
        return -np.log(given[np.arange(len(truth.codes)), truth.codes]).mean()

    alone = min(loss(member) for member in members.validation)
    assert loss(combine("stacking", members)[0].validation) < alone + 0.02


def test_folds_are_purged_by_label_interval() -> None:
    times = members_of(holding=25).times
    folds = purged_folds(times, 5)
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in folds]), np.arange(len(times)))
    for rows, others in folds:
        first, last = times["decision_time"].iloc[rows[0]], times["end_time"].iloc[rows].max()
        start, end = times["decision_time"].iloc[others], times["end_time"].iloc[others]
        assert not ((end >= first) & (start <= last)).any()
        assert len(others) > len(times) / 2


@pytest.mark.parametrize("method", ["weighted", "weighted_voting", "stacking", "neural_stacking"])
def test_a_fold_is_answered_without_its_own_outcomes(method: str) -> None:
    members = members_of()
    before = combine(method, members)[0].validation
    rows = purged_folds(members.times, 5)[2][0]
    codes = members.codes.copy()
    codes[rows] = (codes[rows] + 1) % 3
    after = combine(method, Members(members.validation, members.test, codes, members.times))[0].validation
    np.testing.assert_array_equal(after[rows], before[rows])
    assert not np.allclose(after, before)


def test_two_stages_take_what_both_want() -> None:
    first = np.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2], [0.4, 0.2, 0.4]])
    second = np.array([[0.2, 0.2, 0.6], [0.6, 0.2, 0.2], [0.3, 0.35, 0.35], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    assert confirmed(first, second, (0.3, 0.1)).tolist() == [True, False, False, True, False]
    won = np.array([0.3, 0.3, 0.5, 0.7])
    wins = [np.stack([1.0 - p, p], axis=1) for p in (won, won[[2, 0, 2, 3]])]
    assert confirmed(*wins, (0.4, 0.4)).tolist() == [False, False, True, True]


def test_a_fold_without_others_to_learn_from_gets_the_mean() -> None:
    members = members_of(samples=20, holding=10_000)
    assert all(not len(others) for _, others in purged_folds(members.times, 5))
    np.testing.assert_allclose(combine("stacking", members)[0].validation, members.validation.mean(axis=0))
