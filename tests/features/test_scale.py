"""Scaling: training rows alone decide, plain objects only, and the graph's constants do the same."""

import io
import pickle

import joblib
import numpy as np
import pytest

from deepstack.config.features import FeaturesConfig
from deepstack.errors import DataError
from deepstack.features.scale import fit_scaler, scaler_constants


@pytest.fixture
def train() -> np.ndarray:
    rng = np.random.default_rng(1)
    columns = (
        rng.normal(3.0, 2.0, 5000),
        100.0 * rng.standard_t(2, 5000),
        rng.choice([-1.0, 0.0, 1.0], 5000),
        np.ones(5000),
    )
    return np.stack(columns, axis=1).astype(np.float32)


def test_columns_become_standard_and_tails_are_clipped(train: np.ndarray) -> None:
    scaled = fit_scaler(train, FeaturesConfig(clip_quantile=0.01)).transform(train)
    assert scaled.dtype == np.float32 and np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(scaled[:, :3].std(axis=0), 1.0, atol=1e-4)
    assert (scaled[:, 3] == 0.0).all()
    low, high, *_ = scaler_constants(fit_scaler(train, FeaturesConfig(clip_quantile=0.01)))
    for column in (0, 1):
        assert 0.005 < (train[:, column] < low[column]).mean() <= 0.01
        assert 0.005 < (train[:, column] > high[column]).mean() <= 0.01


def test_no_quantile_clips_to_the_extremes_seen(train: np.ndarray) -> None:
    low, high, *_ = scaler_constants(fit_scaler(train, FeaturesConfig(clip_quantile=0.0)))
    np.testing.assert_array_equal(low, train.min(axis=0))
    np.testing.assert_array_equal(high, train.max(axis=0))


def test_constants_repeat_the_pipeline(train: np.ndarray) -> None:
    pipeline = fit_scaler(train)
    low, high, mean, scale = scaler_constants(pipeline)
    assert {a.dtype for a in (low, high, mean, scale)} == {np.dtype(np.float32)}
    unseen = 5.0 * train[:100] + 1.0
    np.testing.assert_allclose(
        (np.clip(unseen, low, high) - mean) / scale, pipeline.transform(unseen), rtol=1e-5, atol=1e-5
    )


def test_the_pickle_holds_only_sklearn_and_numpy(train: np.ndarray) -> None:
    pipeline = fit_scaler(train)
    opened = []

    class Recorder(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            opened.append(module.split(".")[0])
            return super().find_class(module, name)

    Recorder(io.BytesIO(pickle.dumps(pipeline))).load()
    assert set(opened) <= {"sklearn", "numpy"}
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    buffer.seek(0)
    np.testing.assert_array_equal(joblib.load(buffer).transform(train), pipeline.transform(train))


def test_rows_that_cannot_be_scaled_are_refused(train: np.ndarray) -> None:
    with pytest.raises(DataError, match="no row"):
        fit_scaler(train[:0])
    train[3, 1] = np.nan
    with pytest.raises(DataError, match="NaN"):
        fit_scaler(train)
