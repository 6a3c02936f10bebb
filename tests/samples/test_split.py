"""The split obeys its law for any intervals: nothing that was open in one slice is open in another."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepstack.config.split import SplitConfig
from deepstack.errors import DataError
from deepstack.samples.split import Split, split_by_time

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2024-01-01", tz="UTC")


def trades_of(decisions: np.ndarray, holds: np.ndarray, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "symbol": rng.choice(["AAA", "BBB", "CCC"], len(decisions)),
            "decision_time": (START + pd.to_timedelta(decisions, unit="h")).as_unit("ms"),
            "end_time": (START + pd.to_timedelta(decisions + holds, unit="h")).as_unit("ms"),
            "won": np.arange(len(decisions)) % 2 == 0,
        }
    )


def slices(split: Split) -> list[np.ndarray]:
    return [split.train, split.validation, split.test]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    bars=st.integers(20, 2000),
    longest=st.integers(1, 60),
    embargo=st.integers(0, 30),
    train=st.floats(0.3, 0.7),
    ordered=st.booleans(),
)
def test_no_interval_meets_one_of_another_slice(
    seed: int, bars: int, longest: int, embargo: int, train: float, ordered: bool
) -> None:
    rng = np.random.default_rng(seed)
    decisions = rng.integers(0, bars, 400)
    trades = trades_of(np.sort(decisions) if ordered else decisions, rng.integers(1, longest + 1, 400), seed)
    config = SplitConfig(train=train, validation=0.2, embargo_bars=embargo)
    try:
        split = split_by_time(trades, HOUR, config)
    except DataError:
        assume(False)
        return
    begin, end = trades["decision_time"], trades["end_time"]
    for earlier, later in ((split.train, split.validation), (split.train, split.test), (split.validation, split.test)):
        meets = (begin.to_numpy()[earlier][:, None] <= end.to_numpy()[later]) & (
            begin.to_numpy()[later] <= end.to_numpy()[earlier][:, None]
        )
        assert not meets.any()
        assert end.iloc[earlier].max() + embargo * HOUR < begin.iloc[later].min()
    everyone = np.concatenate(slices(split))
    assert len(np.unique(everyone)) == len(everyone)
    assert len(everyone) + split.purged + split.embargoed == len(trades)
    assert all(rows.dtype == np.int64 and (np.diff(rows) > 0).all() for rows in slices(split))


def test_shares_cuts_and_counts() -> None:
    trades = trades_of(np.arange(1000), np.full(1000, 5))
    split = split_by_time(trades, HOUR, SplitConfig(train=0.6, validation=0.2, embargo_bars=10))
    assert split.validation_cut == trades["decision_time"].iloc[split.validation[0]]
    assert split.test_cut == trades["decision_time"].iloc[split.test[0]]
    assert (split.purged, split.embargoed) == (2 * 5, 2 * 10)
    assert [len(rows) for rows in slices(split)] == pytest.approx([585, 185, 200], abs=1)


def test_one_moment_is_never_divided() -> None:
    decisions = np.repeat(np.arange(100), 10)
    trades = trades_of(decisions, np.ones(1000, int))
    split = split_by_time(trades, HOUR, SplitConfig(train=0.605, validation=0.2, embargo_bars=0))
    for rows in slices(split):
        assert (np.bincount(decisions[rows])[np.unique(decisions[rows])] == 10).all()


def test_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    trades = trades_of(np.arange(500), rng.integers(1, 9, 500))
    shuffle = rng.permutation(500)
    straight = split_by_time(trades, HOUR, SplitConfig())
    mixed = split_by_time(trades.iloc[shuffle].reset_index(drop=True), HOUR, SplitConfig())
    for a, b in zip(slices(straight), slices(mixed), strict=True):
        np.testing.assert_array_equal(a, np.sort(shuffle[b]))


@pytest.mark.parametrize(
    ("trades", "embargo", "message"),
    [
        (trades_of(np.arange(100), np.ones(100, int)).iloc[:0], 0, "split: expected trades"),
        (trades_of(np.arange(100), np.ones(100, int)), 90, "train 0 won of 0"),
        (trades_of(np.arange(100), np.ones(100, int)).assign(won=True), 0, "train 59 won of 59"),
    ],
)
def test_a_slice_that_cannot_be_used_is_named_with_its_counts(trades: pd.DataFrame, embargo: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_by_time(trades, HOUR, SplitConfig(embargo_bars=embargo))
