"""Folds purge by event time: against brute force, against skfolio, and against cases others have published as wrong."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV, WalkForward

from deepstack.config.folds import FoldsConfig
from deepstack.samples.folds import calendar_edges, make_folds, paths
from deepstack.samples.split import Span, Split, divide

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2024-01-01", tz="UTC")


def samples_of(decided: np.ndarray, held: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "decision_time": (START + pd.to_timedelta(decided, unit="h")).as_unit("ms"),
            "end_time": (START + pd.to_timedelta(decided + held, unit="h")).as_unit("ms"),
        }
    )


def bar_times(bars: int) -> np.ndarray:
    return (START.tz_localize(None) + pd.to_timedelta(np.arange(bars), unit="h")).to_numpy("datetime64[ms]")


def hours(first: int, last: int) -> Span:
    return Span(START + first * HOUR, START + last * HOUR)


def meets(samples: pd.DataFrame, one: np.ndarray, other: np.ndarray, embargo: pd.Timedelta) -> bool:
    """Whether an interval of the one comes nearer to one of the other than the embargo."""
    begin, end = (samples[name].dt.tz_localize(None).to_numpy() for name in ("decision_time", "end_time"))
    gap = embargo.to_timedelta64()
    return bool(((begin[one][:, None] <= end[other] + gap) & (begin[other] - gap <= end[one][:, None])).any())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scheme=st.sampled_from(["expanding", "rolling", "combinatorial"]),
    longest=st.integers(1, 40),
    embargo=st.integers(0, 20),
)
def test_no_sample_learned_from_meets_one_that_is_tested(seed: int, scheme: str, longest: int, embargo: int) -> None:
    random = np.random.default_rng(seed)
    decided = random.integers(0, 1000, 500)
    samples = samples_of(decided, random.integers(1, longest + 1, 500))
    for split in make_folds(samples, bar_times(1000), HOUR, FoldsConfig(scheme=scheme), embargo):
        for learned, later in (("train", "validation"), ("train", "test"), ("validation", "test")):
            assert not meets(samples, getattr(split, learned), getattr(split, later), embargo * HOUR)
        everyone = np.concatenate([split.train, split.validation, split.test])
        assert len(np.unique(everyone)) == len(everyone)
        if scheme == "combinatorial":
            assert len(everyone) + split.purged + split.embargoed == len(samples)


def test_only_what_must_go_is_left_out() -> None:
    samples = samples_of(np.arange(100), np.full(100, 5))
    split = divide(samples, hours(0, 100), [hours(30, 40)], [hours(60, 70)], 2 * HOUR)
    # Before a stretch the last 5 are still open and the 2 before them too near; after it 5 outcomes are open, then 2.
    kept = [*range(23), *range(47, 53), *range(77, 100)]
    assert split.train.tolist() == kept
    assert split.validation.tolist() == list(range(30, 40))
    assert (split.purged, split.embargoed) == (4 * 5, 4 * 2)


def test_walking_forward_covers_the_calendar_once() -> None:
    samples = samples_of(np.arange(1000), np.full(1000, 4))
    for scheme in ("expanding", "rolling"):
        folds = make_folds(samples, bar_times(1000), HOUR, FoldsConfig(scheme=scheme, count=4), 3)
        tested = np.concatenate([fold.test for fold in folds])
        np.testing.assert_array_equal(tested, np.arange(tested[0], 1000))
        assert all(
            fold.train.max() < fold.validation.min() and fold.validation.max() < fold.test.min() for fold in folds
        )
        lengths = [len(fold.train) for fold in folds]
        assert lengths == sorted(lengths)
        assert (lengths[-1] > 1.5 * lengths[0]) == (scheme == "expanding")


@pytest.mark.parametrize(("purge", "embargo"), [(0, 0), (3, 0), (7, 0), (3, 2), (0, 4)])
def test_combinations_are_those_of_skfolio(purge: int, embargo: int) -> None:
    """Where both mean the same: a label of h bars at every bar is h purged observations on both sides.

    An embargo of theirs lies after a test group, one of ours on both sides of it.
    """
    samples = samples_of(np.arange(120), np.full(120, purge))
    config = FoldsConfig(scheme="combinatorial", groups=6, test_groups=2)
    ours = make_folds(samples, bar_times(120), HOUR, config, embargo)
    theirs = CombinatorialPurgedCV(n_folds=6, n_test_folds=2, purged_size=purge, embargo_size=embargo)
    x = np.zeros((120, 1))
    for fold, (train, tests) in zip(ours, theirs.split(x), strict=True):
        np.testing.assert_array_equal(fold.test, np.sort(np.concatenate(tests)))
        # Theirs has no validation slice: what ours learns from is theirs without what meets the validation group.
        left_out = np.setdiff1d(train, fold.train)
        assert np.isin(fold.train, train).all()
        reach = purge + embargo
        near = np.concatenate([np.arange(v - reach, v + reach + 1) for v in fold.validation])
        before = np.concatenate([np.arange(t - reach, t) for t in fold.test]) if embargo else np.zeros(0, int)
        assert np.isin(left_out, np.concatenate([near, before])).all()


@pytest.mark.parametrize("scheme", ["rolling", "expanding"])
def test_steps_are_those_of_skfolio(scheme: str) -> None:
    """Where both mean the same: what we purge before validation and before the test lies inside their training."""
    held = 4
    samples = samples_of(np.arange(100), np.full(100, held))
    config = FoldsConfig(scheme=scheme, count=3, first_share=0.4, validation_share=0.5)
    ours = make_folds(samples, bar_times(100), HOUR, config, 0)
    expanding = scheme == "expanding"
    theirs = WalkForward(test_size=20, train_size=40 - held, purged_size=held, expand_train=expanding)
    for fold, (train, test) in zip(ours, theirs.split(np.zeros((100, 1))), strict=True):
        np.testing.assert_array_equal(fold.test, test)
        np.testing.assert_array_equal(fold.validation, train[train >= fold.validation[0]])
        first = fold.validation[0]
        np.testing.assert_array_equal(fold.train, train[train < first - held])
        assert fold.train[0] == (0 if expanding else test[0] - 40)


def test_paths_use_every_answer_once_and_cover_every_group() -> None:
    config = FoldsConfig(scheme="combinatorial", groups=6, test_groups=2)
    found = paths(config)
    assert len(found) == comb(6, 2) * 2 // 6
    assert all([group for _, group in path] == list(range(6)) for path in found)
    used = [pair for path in found for pair in path]
    tested = [(k, group) for k, groups in enumerate(combinations(range(6), 2)) for group in groups]
    assert sorted(used) == sorted(tested)


def test_edges_count_bars_and_hold_the_last() -> None:
    edges = calendar_edges(bar_times(100), np.array([0.0, 0.5, 1.0]))
    assert edges[0] == START and edges[1] == START + 50 * HOUR and edges[2] > START + 99 * HOUR


# Cases that other implementations were shown to get wrong


def test_training_labels_that_end_inside_the_test_are_purged() -> None:
    """hudson-and-thames/mlfinlab issue 295: ten daily events of two days, two folds; the second fold's training
    kept events that end in its test."""
    day = pd.Timedelta("1D")
    samples = samples_of(24 * np.arange(10), np.full(10, 48))
    for test in (Span(START, START + 5 * day), Span(START + 5 * day, START + 10 * day)):
        split = divide(
            samples, Span(START, START + 11 * day), [Span(START + 10 * day, START + 11 * day)], [test], 0 * day
        )
        assert not meets(samples, split.train, split.test, 0 * day)
    assert split.train.tolist() == [0, 1, 2]


def test_the_purge_begins_with_the_first_decision_not_with_its_outcome() -> None:
    """Open-Quant/openquant issue 65: daily bars, labels of 3 days, test from the 4th sample on."""
    samples = samples_of(np.arange(10), np.full(10, 3))
    split = divide(samples, hours(0, 11), [hours(10, 11)], [hours(3, 7)], 0 * HOUR)
    assert split.train.tolist() == []


def test_the_purge_ends_with_the_latest_outcome_not_with_the_last_sample() -> None:
    """The same issue: the latest outcome of a test fold need not be that of its last sample."""
    samples = samples_of(np.arange(10), np.array([0, 0, 6, 0, 0, 0, 0, 0, 0, 0]))
    split = divide(samples, hours(0, 11), [hours(10, 11)], [hours(2, 4)], 0 * HOUR)
    assert split.train.tolist() == [0, 1, 9]


def test_what_lies_between_two_test_groups_is_kept() -> None:
    """HKUDS/Vibe-Trading pull request 1204: two separate test blocks were treated as one span."""
    samples = samples_of(np.arange(12), np.ones(12, int))
    split = divide(samples, hours(0, 15), [hours(14, 15)], [hours(2, 3), hours(9, 10)], 0 * HOUR)
    assert split.train.tolist() == [0, 4, 5, 6, 7, 11]


def test_the_embargo_of_one_group_does_not_clip_what_follows_another() -> None:
    """sam31415/timeseriescv pull request 8: the embargo was counted from the last test group for all of them."""
    samples = samples_of(np.arange(30), np.zeros(30, int))
    split = divide(samples, hours(0, 31), [hours(30, 31)], [hours(5, 10), hours(20, 25)], 2 * HOUR)
    assert split.train.tolist() == [0, 1, 2, *range(12, 18), *range(27, 28)]


def test_a_label_that_spans_the_whole_test_is_purged() -> None:
    samples = samples_of(np.arange(12), np.array([0, 10, *[0] * 10]))
    split: Split = divide(samples, hours(0, 13), [hours(12, 13)], [hours(4, 6)], 0 * HOUR)
    assert 1 not in split.train and 0 in split.train
