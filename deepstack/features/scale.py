"""Clip each column to its training quantiles, then standardise: fitted on training rows alone.

The pipeline holds scikit-learn and numpy objects only, so plain joblib opens it where deepstack is not installed.
"""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from deepstack.config.features import FeaturesConfig
from deepstack.errors import DataError


def fit_scaler(train: np.ndarray, config: FeaturesConfig = FeaturesConfig()) -> Pipeline:  # noqa: B008 - frozen
    """Fit clipping bounds, means and deviations on the training rows.

    Args:
        train: float32 [rows, features], finite.
        config: `clip_quantile` of each tail is clipped.

    Returns:
        A fitted pipeline; `transform` takes and returns float32 [rows, features]. A column that is constant between
        its bounds becomes 0.

    Raises:
        DataError: no rows, or a value that is not finite.
    """
    if not len(train) or not np.isfinite(train).all():
        raise DataError(
            "training features",
            expected="at least one row of finite values",
            received="no row" if not len(train) else "NaN or infinity",
            remedy="checking the features that reach the scaler",
        )
    low, high = _bounds(train, config.clip_quantile)
    clip = FunctionTransformer(np.clip, kw_args={"a_min": low, "a_max": high}, feature_names_out="one-to-one")
    return Pipeline([("clip", clip), ("standardise", StandardScaler())]).fit(train)


def scaler_constants(pipeline: Pipeline) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(low, high, mean, scale), float32 [features] each: scaled = (clip(x, low, high) - mean) / scale, for a graph."""
    bounds, standard = pipeline["clip"].kw_args, pipeline["standardise"]
    return (
        bounds["a_min"].astype(np.float32),
        bounds["a_max"].astype(np.float32),
        standard.mean_.astype(np.float32),
        standard.scale_.astype(np.float32),
    )


def _bounds(train: np.ndarray, quantile: float) -> tuple[np.ndarray, np.ndarray]:
    """Both bounds are values that occurred, nearest to the quantile from inside the distribution's middle."""
    last = len(train) - 1
    below = int(np.ceil(quantile * last))
    parted = (np.partition(np.ascontiguousarray(column), (below, last - below)) for column in train.T)
    pairs = np.array([(column[below], column[last - below]) for column in parted], dtype=np.float32)
    return np.minimum(pairs[:, 0], pairs[:, 1]), np.maximum(pairs[:, 0], pairs[:, 1])
