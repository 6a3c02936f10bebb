"""The split obeys its law for any intervals: nothing that was open in one slice is open in another."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepstack.config.split import SplitConfig
from deepstack.errors import DataError
from deepstack.samples.split import Cuts, Split, calendar_cuts, require_every_class, split_by_time

HOUR = pd.Timedelta("1h")
WON_OR_LOST = ("lost", "won")
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


def bar_times(bars: int) -> np.ndarray:
    return (START.tz_localize(None) + pd.to_timedelta(np.arange(bars), unit="h")).to_numpy("datetime64[ms]")


def divide(trades: pd.DataFrame, config: SplitConfig, bars: int) -> Split:
    split = split_by_time(trades, calendar_cuts(bar_times(bars), config), HOUR, config.embargo_bars)
    require_every_class(split, trades[["won"]].to_numpy(np.int8), WON_OR_LOST)
    return split


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
        split = divide(trades, config, bars)
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
    split = divide(trades, SplitConfig(train=0.6, validation=0.2, embargo_bars=10), 1000)
    assert split.validation_cut == trades["decision_time"].iloc[split.validation[0]]
    assert split.test_cut == trades["decision_time"].iloc[split.test[0]]
    assert (split.purged, split.embargoed) == (2 * 5, 2 * 10)
    assert [len(rows) for rows in slices(split)] == pytest.approx([585, 185, 200], abs=1)


def test_cuts_count_bars_of_all_symbols_in_any_order_and_nothing_else() -> None:
    early, late = bar_times(1000), bar_times(1000)[800:]  # a second symbol that is listed late
    both = np.concatenate([late, early])
    config = SplitConfig(train=0.5, validation=0.25)
    cuts = calendar_cuts(both, config)
    for cut, share in zip(cuts, (0.5, 0.75), strict=True):
        assert np.mean(both < np.datetime64(cut.tz_localize(None))) == pytest.approx(share, abs=2e-3)
    assert calendar_cuts(np.random.default_rng(0).permutation(both), config) == cuts
    assert isinstance(cuts, Cuts)


def test_one_moment_is_never_divided() -> None:
    decisions = np.repeat(np.arange(100), 10)
    trades = trades_of(decisions, np.ones(1000, int))
    split = divide(trades, SplitConfig(train=0.605, validation=0.2, embargo_bars=0), 100)
    for rows in slices(split):
        assert (np.bincount(decisions[rows])[np.unique(decisions[rows])] == 10).all()


def test_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    trades = trades_of(np.arange(500), rng.integers(1, 9, 500))
    shuffle = rng.permutation(500)
    straight = divide(trades, SplitConfig(), 500)
    mixed = divide(trades.iloc[shuffle].reset_index(drop=True), SplitConfig(), 500)
    for a, b in zip(slices(straight), slices(mixed), strict=True):
        np.testing.assert_array_equal(a, np.sort(shuffle[b]))


@pytest.mark.parametrize(
    ("trades", "embargo", "message"),
    [
        (trades_of(np.arange(100), np.ones(100, int)).iloc[:0], 0, "split: expected samples to divide, received none"),
        (
            trades_of(np.arange(100), np.ones(100, int)),
            90,
            r"\(train\): .*: lost, won, received 0 lost, 0 won; 2 purged, 73 emb",
        ),
        (trades_of(np.arange(100), np.ones(100, int)).assign(won=True), 0, r"\(train\): .* received 0 lost, 59 won"),
    ],
)
def test_a_slice_that_cannot_be_used_is_named_with_its_counts(trades: pd.DataFrame, embargo: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        divide(trades, SplitConfig(embargo_bars=embargo), 100)


def test_every_slice_needs_every_class_of_every_output() -> None:
    cuts = calendar_cuts(bar_times(100), SplitConfig(embargo_bars=0))
    split = split_by_time(trades_of(np.arange(100), np.ones(100, int)), cuts, HOUR, 0)
    codes = np.stack([np.arange(100) % 3, (np.arange(100) + 1) % 3], axis=1)
    require_every_class(split, codes, ("sell", "hold", "buy"))
    codes[split.test, 1] %= 2
    with pytest.raises(DataError, match=r"split \(test\): .*: sell, hold, buy, received 16 sell, 9 hold, 0 buy"):
        require_every_class(split, codes, ("sell", "hold", "buy"))
