"""Windows by index are the materialised windows, and none reaches beyond its gap-free run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstack.samples.batches import Samples, validation_batches
from deepstack.samples.windows import Windows, fits, rows_seen


def matrix(rows: int, features: int = 3) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, features)).astype(np.float32)


@pytest.mark.parametrize("length", [1, 5, 40])
def test_equal_materialised_windows_in_any_shape_of_index(length: int) -> None:
    values = matrix(40)
    whole = np.lib.stride_tricks.sliding_window_view(values, length, axis=0).transpose(0, 2, 1)
    windows = Windows(values, np.arange(length - 1, 40), length)
    assert (windows.shape, len(windows), windows.dtype) == (whole.shape, len(whole), np.float32)
    index = np.random.default_rng(0).integers(0, len(whole), (2, 7))
    np.testing.assert_array_equal(windows[index], whole[index])
    np.testing.assert_array_equal(windows[index[0]], whole[index[0]])


def test_nothing_is_materialised_and_what_is_gathered_is_a_copy() -> None:
    values = matrix(1000)
    windows = Windows(values, np.arange(99, 1000), 100)
    assert windows.values is values
    windows[np.arange(5)][:] = np.nan
    assert np.isfinite(values).all()


@settings(max_examples=60, deadline=None)
@given(runs=st.lists(st.integers(1, 30), min_size=1, max_size=6), length=st.integers(1, 40))
def test_no_window_crosses_a_gap(runs: list[int], length: int) -> None:
    segment = np.repeat(np.arange(len(runs)), runs)
    last = np.r_[-1, np.arange(len(segment))]
    first_of_run = np.cumsum([0, *runs[:-1]])
    expected = [row >= 0 and row - first_of_run[segment[row]] + 1 >= length for row in last]
    fitting = fits(segment, last, length)
    assert fitting.tolist() == expected
    seen = rows_seen(len(segment), last[fitting], length)
    by_hand = {row for end in last[fitting] for row in range(end - length + 1, end + 1)}
    assert set(np.flatnonzero(seen)) == by_hand


def test_a_window_longer_than_the_data_fits_nowhere() -> None:
    segment = np.zeros(10, int)
    assert fits(segment, np.arange(10), 10).tolist() == [False] * 9 + [True]
    assert not fits(segment, np.arange(10), 11).any()


def test_batches_of_windows_are_batches_of_the_materialised_array() -> None:
    values, last = matrix(60), np.random.default_rng(1).permutation(np.arange(9, 60))
    windows = Windows(values, last, 10)
    rest = np.arange(3, 45), np.arange(42, dtype=np.float32), np.ones(42, np.float32)
    whole = windows[np.arange(len(last))]
    both = (validation_batches(Samples(x, *rest), 16) for x in (windows, whole))
    for lazy, eager in zip(*both, strict=True):
        assert lazy[0].shape == (16, 10, 3)
        np.testing.assert_array_equal(lazy[0], eager[0])
