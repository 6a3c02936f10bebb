"""A stack's slices are drawn, and penalised, as if each stood alone."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers._stacked import stacked_initializer, stacked_regularizer, stacked_seed_states

DRAWN = {
    "he_normal": keras.initializers.HeNormal(),
    "glorot_uniform": keras.initializers.GlorotUniform(),
    "lecun_normal": keras.initializers.LecunNormal(),
    "fan_out": keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
    "normal": keras.initializers.RandomNormal(0.5, 0.2),
    "uniform": keras.initializers.RandomUniform(-0.3, 0.1),
    "truncated": keras.initializers.TruncatedNormal(0.0, 0.4),
}


@pytest.mark.parametrize("shape", [(32, 48), (3, 16, 24)])
@pytest.mark.parametrize("name", DRAWN)
def test_each_slice_has_the_distribution_of_a_single_layer(name: str, shape: tuple[int, ...]) -> None:
    depth = 40
    stack = np.asarray(stacked_initializer(DRAWN[name], depth, 7)((depth, *shape), "float32"))
    alone = np.stack(
        [
            np.asarray(DRAWN[name].__class__.from_config({**DRAWN[name].get_config(), "seed": s})(shape))
            for s in range(depth)
        ]
    )
    assert stack.shape == alone.shape
    size = alone[0].size
    assert stack.std() == pytest.approx(alone.std(), rel=6 / np.sqrt(depth * size))
    assert stack.mean() == pytest.approx(alone.mean(), abs=6 * alone.std() / np.sqrt(depth * size))
    np.testing.assert_allclose(stack.std(axis=tuple(range(1, stack.ndim))), alone.std(), rtol=6 / np.sqrt(size))
    for quantile in (0.02, 0.25, 0.5, 0.98):
        assert np.quantile(stack, quantile) == pytest.approx(
            np.quantile(alone, quantile), abs=0.06 * float(alone.std())
        )


@pytest.mark.parametrize("name", DRAWN)
def test_slices_and_seeds_are_independent(name: str) -> None:
    stack = np.asarray(stacked_initializer(DRAWN[name], 6, 7)((6, 64, 64), "float32"))
    other = np.asarray(stacked_initializer(DRAWN[name], 6, 8)((6, 64, 64), "float32"))
    again = np.asarray(stacked_initializer(DRAWN[name], 6, 7)((6, 64, 64), "float32"))
    correlation = np.corrcoef(np.concatenate([stack, other]).reshape(12, -1))
    assert np.abs(correlation - np.eye(12)).max() < 0.08  # 64 · 64 draws: standard error 0.016
    np.testing.assert_array_equal(stack, again)


def test_an_orthogonal_kernel_stays_orthogonal() -> None:
    stack = np.asarray(stacked_initializer(keras.initializers.Orthogonal(), 3, 1)((3, 8, 8), "float32"))
    for kernel in stack:
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(8), atol=1e-5)
    assert np.abs(stack[0] - stack[1]).max() > 0.1


@pytest.mark.parametrize(
    "initializer", [keras.initializers.Zeros(), keras.initializers.Ones(), keras.initializers.Constant(0.3)]
)
def test_constants(initializer: Any) -> None:
    stack = stacked_initializer(initializer, 5, 1)((5, 4), "float32")
    np.testing.assert_array_equal(stack, np.broadcast_to(initializer((4,)), (5, 4)))


def test_a_plain_function_is_called_once_a_slice() -> None:
    calls = []

    def initializer(shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
        calls.append(shape)
        return tf.fill(shape, float(len(calls)))

    np.testing.assert_array_equal(stacked_initializer(initializer, 3, 1)((3, 2), "float32"), [[1, 1], [2, 2], [3, 3]])
    assert calls == [(2,)] * 3


def test_seed_states_have_distinct_keys_and_start_at_zero_calls() -> None:
    state = stacked_seed_states(1000, 3)((1000, 2), "uint32").numpy()
    assert len(np.unique(state[:, 0])) == 1000
    assert (state[:, 1] == 0).all()


@pytest.mark.parametrize(
    "regularizer",
    [keras.regularizers.L1(0.1), keras.regularizers.L2(0.2), keras.regularizers.OrthogonalRegularizer(0.3)],
)
def test_a_penalty_is_the_sum_over_slices(regularizer: Any) -> None:
    stack = tf.random.stateless_normal((4, 6, 6), (1, 2))
    expected = sum(float(regularizer(piece)) for piece in stack)
    assert float(stacked_regularizer(regularizer)(stack)) == pytest.approx(expected, rel=1e-5)


def test_no_penalty_stays_none() -> None:
    assert stacked_regularizer(None) is None
