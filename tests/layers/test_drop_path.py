"""Whole samples are dropped, the expectation stays, and inference sees nothing of it."""

import numpy as np
import pytest

from deepstack.layers.drop_path import DropPath


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("shape", [(5,), (3, 4)])
def test_a_sample_is_kept_whole_or_not_at_all_and_the_mean_stays(rate: float, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(20_000, *shape)).astype("float32")
    y = np.asarray(DropPath(rate, seed=3)(x, training=True)).reshape(len(x), -1)
    kept = (y != 0.0).any(axis=1)
    np.testing.assert_allclose(y[kept], x.reshape(len(x), -1)[kept] / (1.0 - rate), rtol=1e-5)
    assert kept.mean() == pytest.approx(1.0 - rate, abs=4.0 * np.sqrt(rate * (1.0 - rate) / len(x)))
    ones = np.asarray(DropPath(rate, seed=4)(np.ones_like(x), training=True))
    assert ones.mean() == pytest.approx(1.0, abs=4.0 * np.sqrt(rate / (1.0 - rate) / len(x)))


def test_neighbours_and_calls_are_independent() -> None:
    layer, x = DropPath(0.5, seed=1), np.ones((20_000, 2), "float32")
    first, second = (np.asarray(layer(x, training=True))[:, 0] > 0.0 for _ in range(2))
    for a, b in ((first[1:], first[:-1]), (first, second)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4.0 / np.sqrt(len(a))


def test_inference_is_the_identity() -> None:
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    np.testing.assert_array_equal(DropPath(0.9)(x), x)
    np.testing.assert_array_equal(DropPath(0.0)(x, training=True), x)
