"""The residual block over time is its formula, starts as the identity and looks so far to either side."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.residual_conv import ResidualConv

SHAPE = (12, 4)


def steps() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, *SHAPE)).astype("float32")


def built(kernel_size: int = 3) -> ResidualConv:
    block = ResidualConv(kernel_size)
    block.build((None, *SHAPE))
    random = np.random.default_rng(1)
    gain, shift = random.normal(size=(2, 4))
    block.norm_2.gamma.assign(gain)
    block.norm_2.beta.assign(shift)
    return block


def test_starts_as_the_identity_on_what_is_positive() -> None:
    block = ResidualConv(3, dropout=0.5)
    np.testing.assert_array_equal(block(steps(), training=True), np.maximum(steps(), 0.0))


def test_formula() -> None:
    block, x = built(), steps()

    def norm(h: np.ndarray) -> np.ndarray:
        return (h - h.mean((0, 1))) / np.sqrt(h.var((0, 1)) + block.norm_1.epsilon)

    def conv(h: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        padded = np.pad(h, ((0, 0), (1, 1), (0, 0)))
        return sum(padded[:, k : k + SHAPE[0]] @ kernel[k] for k in range(3))

    h = np.maximum(norm(conv(x, block.conv_1.kernel.numpy())), 0.0)
    h = block.norm_2.gamma.numpy() * norm(conv(h, block.conv_2.kernel.numpy())) + block.norm_2.beta.numpy()
    np.testing.assert_allclose(block(x, training=True), np.maximum(x + h, 0.0), atol=1e-4)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_reach_is_a_kernel_less_one_to_either_side(kernel_size: int) -> None:
    """Not causal, so no model may claim causality with it: inside a window every bar is known at the decision."""
    block, x = built(kernel_size), tf.constant(np.abs(steps()[:1]) + 9.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(block(x)[0] ** 2, axis=-1)
    depends = np.abs(tape.jacobian(y, x)[:, 0]).max(axis=-1) > 0.0
    distance = np.abs(np.arange(SHAPE[0])[:, None] - np.arange(SHAPE[0]))
    assert not depends[distance > kernel_size - 1].any()
    assert depends[6 - (kernel_size - 1) : 6 + kernel_size, 6].any()


def test_a_stack_is_the_unrolled_network(pair: Callable, assert_same: Callable, float64: None) -> None:
    assert_same(pair(ResidualConv(3, dropout=0.2), 3, SHAPE, "everything"), steps().astype("float64"), 1e-9)


def test_config_round_trip() -> None:
    block = ResidualConv(5, dropout=0.1, momentum=0.9, name="block")
    assert ResidualConv.from_config(block.get_config()).get_config() == block.get_config()
