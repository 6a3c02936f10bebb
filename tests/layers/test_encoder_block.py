"""The original encoder block: normalised outputs, and Keras' own parts put together."""

from collections.abc import Callable

import numpy as np

from deepstack.layers.encoder_block import EncoderBlock

SHAPE = (6, 8)


def steps() -> np.ndarray:
    return np.random.default_rng(0).normal(2.0, 3.0, (5, *SHAPE)).astype("float32")


def norm(h: np.ndarray) -> np.ndarray:
    return (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)


def test_formula_of_vaswani() -> None:
    block, x = EncoderBlock(2, 16), steps()
    block.build((None, *SHAPE))
    (w1, b1), (w2, b2) = block.dense_1.get_weights(), block.dense_2.get_weights()
    h = norm(x + np.asarray(block.attention(x)))
    expected = norm(h + np.maximum(h @ w1 + b1, 0.0) @ w2 + b2)
    np.testing.assert_allclose(block(x), expected, atol=1e-5)
    assert not block.attention.rotary


def test_silent_branches_leave_the_norm_not_the_identity() -> None:
    block = EncoderBlock(2, 16, dropout=0.5)
    block.build((None, *SHAPE))
    for part in (block.attention.project_out, block.dense_2):
        part.set_weights([np.zeros(w.shape) for w in part.get_weights()])
    np.testing.assert_allclose(block(steps(), training=True), norm(norm(steps())), atol=1e-5)


def test_a_stack_is_the_unrolled_network(pair: Callable, assert_same: Callable, float64: None) -> None:
    assert_same(pair(EncoderBlock(2, 16, dropout=0.2), 2, SHAPE, "everything"), steps().astype("float64"), 1e-9)


def test_config_round_trip() -> None:
    block = EncoderBlock(2, 16, dropout=0.1, name="block")
    assert EncoderBlock.from_config(block.get_config()).get_config() == block.get_config()
