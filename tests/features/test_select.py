"""Selection: constants and near-duplicates go, the earlier of a pair stays, outliers do not decide."""

import numpy as np
import pytest

from deepstack.config.features import FeaturesConfig
from deepstack.errors import DataError
from deepstack.features import select
from deepstack.features.select import select_features

NAMES = ("first", "constant", "twin", "mirror", "other", "outlier", "outlier_too")


@pytest.fixture
def train() -> np.ndarray:
    rng = np.random.default_rng(2)
    x, y, p, q = rng.normal(size=(4, 4000))
    spike = np.zeros(4000)
    spike[7] = 1e6
    columns = (x, np.full(4000, 2.0), 3.0 * x + 1e-3 * y, -x, y, p + spike, q + spike)
    return np.stack(columns, axis=1).astype(np.float32)


def test_constants_and_later_twins_are_dropped(train: np.ndarray) -> None:
    assert select_features(train, NAMES) == ("first", "other", "outlier", "outlier_too")


def test_one_common_outlier_makes_no_twins(train: np.ndarray) -> None:
    assert np.corrcoef(train[:, 5], train[:, 6])[0, 1] > 0.999
    assert "outlier_too" in select_features(train, NAMES)


def test_correlation_one_keeps_every_column_that_varies(train: np.ndarray) -> None:
    kept = select_features(train, NAMES, FeaturesConfig(max_correlation=1.0))
    assert kept == tuple(name for name in NAMES if name != "constant")


def test_a_dropped_column_drops_no_other() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 20_000))
    chain = np.stack((a, a + 0.3 * b, a + 0.6 * b), axis=1).astype(np.float32)
    assert select_features(chain, ("a", "ab", "abb"), FeaturesConfig(max_correlation=0.94)) == ("a", "abb")


def test_blocks_do_not_matter(train: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = select_features(train, NAMES)
    monkeypatch.setattr(select, "BLOCK_ROWS", 333)
    assert select_features(train, NAMES) == whole


def test_nothing_that_varies_is_an_error() -> None:
    with pytest.raises(DataError, match="2 constant columns"):
        select_features(np.ones((50, 2), dtype=np.float32), ("a", "b"))
