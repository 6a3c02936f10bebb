"""Scaling in place is scikit-learn's transform of what a model sees, fitted on what training sees."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from deepstack.features.scale import fit_scaler
from deepstack.samples import scaled
from deepstack.samples.scaled import scale_in_place, seen_rows
from deepstack.samples.windows import Windows


def matrix(rows: int = 500, features: int = 6) -> np.ndarray:
    random = np.random.default_rng(0)
    return (random.normal(size=(rows, features)) * np.arange(1, features + 1) + 3.0).astype(np.float32)


@pytest.fixture(params=[16_384, 64, 7])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that hold the matrix whole, and ones that end inside it."""
    monkeypatch.setattr(scaled, "BLOCK_ROWS", request.param)


@pytest.mark.parametrize("columns", [[0, 1, 2, 3, 4, 5], [5, 0, 2], [4]])
def test_equals_the_transform_of_the_gathered_rows(blocks: None, columns: list[int]) -> None:
    values, last = matrix(), np.random.default_rng(1).permutation(np.arange(19, 500))
    every, train = np.arange(len(last)), np.arange(200)
    windows = Windows(values.copy(), last, 20)
    scaler = fit_scaler(seen_rows(windows, train)[:, columns])
    gathered = windows[every][..., columns]
    expected = scaler.transform(gathered.reshape(-1, len(columns))).reshape(gathered.shape)
    result = scale_in_place(windows, columns, scaler)
    assert isinstance(result, Windows)
    np.testing.assert_array_equal(result[every], expected)
    assert np.shares_memory(result.values, windows.values)

    rows = values.copy()
    again = scale_in_place(rows, columns, scaler)
    np.testing.assert_array_equal(again, scaler.transform(values[:, columns]))
    assert np.shares_memory(again, rows)


def test_scales_materialised_windows_too() -> None:
    values = matrix(600).reshape(50, 12, 6)
    scaler = StandardScaler().fit(values[:, -1, :2])
    expected = scaler.transform(values[..., :2].reshape(-1, 2)).reshape(50, 12, 2)
    np.testing.assert_array_equal(scale_in_place(values, [0, 1], scaler), expected)


def test_only_the_rows_that_training_sees_are_fitted_on() -> None:
    values = matrix()
    windows = Windows(values, np.arange(19, 500), 20)
    train = np.r_[np.arange(50), 100]
    seen = np.unique(windows.last[train][:, None] + np.arange(-19, 1))
    np.testing.assert_array_equal(seen_rows(windows, train), values[seen])
    np.testing.assert_array_equal(seen_rows(values, train), values[train])
    other = values.copy()
    other[np.setdiff1d(np.arange(500), seen)] = 1e6
    fitted, again = (fit_scaler(seen_rows(Windows(v, windows.last, 20), train)) for v in (values, other))
    np.testing.assert_array_equal(fitted.transform(values), again.transform(values))


def test_a_long_history_is_fitted_on_rows_drawn_alike_of_alternating_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaled, "FIT_ROWS", 100)
    values = np.repeat(np.arange(450.0, dtype=np.float32)[:, None], 2, axis=1)
    rows = seen_rows(values, np.arange(450))[:, 0]
    assert len(rows) == 100
    assert (np.diff(rows) > 0.0).all()
    assert 30 < (rows % 2).sum() < 70
    np.testing.assert_array_equal(rows, seen_rows(values, np.arange(450))[:, 0])
