"""The shared block: its formula, the identity that Pre-LN keeps, and its stack by the depth engine."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from deepstack.layers.transformer_block import TransformerBlock

SHAPE = (6, 8)


def steps(batch: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, *SHAPE)).astype("float32")


def built(**options: object) -> TransformerBlock:
    block = TransformerBlock(2, 16, **options)
    block.build((None, *SHAPE))
    random = np.random.default_rng(1)
    for variable in block.trainable_variables:
        variable.assign(variable + 0.1 * random.normal(size=variable.shape))
    return block


@pytest.mark.parametrize("experts", [0, 3])
def test_is_the_identity_while_its_branches_say_nothing(experts: int) -> None:
    block = built(experts=experts)
    last = block.mixture.outer if block.mixture is not None else block.dense_2.kernel
    silent = [last, *block.attention.project_out.weights, *([] if experts else [block.dense_2.bias])]
    for variable in silent:
        variable.assign(np.zeros(variable.shape))
    np.testing.assert_array_equal(block(steps(), training=True), steps())


def test_formula() -> None:
    block, x = built(), steps()

    def norm(h: np.ndarray, layer: keras.layers.LayerNormalization) -> np.ndarray:
        gamma, beta = layer.get_weights()
        return gamma * (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5) + beta

    h = x + np.asarray(block.attention(norm(x, block.norm_1)))
    (w1, b1), (w2, b2) = block.dense_1.get_weights(), block.dense_2.get_weights()
    expected = h + np.asarray(keras.activations.gelu(norm(h, block.norm_2) @ w1 + b1)) @ w2 + b2
    np.testing.assert_allclose(block(x), expected, atol=1e-5)


def test_a_causal_block_sees_no_later_step() -> None:
    block, x = built(causal=True, spans=(2, 0), experts=3), steps()
    other = x.copy()
    other[:, 3:] = np.random.default_rng(9).normal(size=other[:, 3:].shape)
    np.testing.assert_array_equal(np.asarray(block(x))[:, :3], np.asarray(block(other))[:, :3])
    assert np.abs(np.asarray(block(x) - block(other))[:, 3:]).max() > 0.1


def test_dropout_and_drop_path_act_in_training_alone() -> None:
    block, x = built(dropout=0.3, drop_path=0.3), steps(batch=50)
    np.testing.assert_array_equal(block(x), block(x))
    assert not np.array_equal(block(x, training=True), block(x, training=True))
    gone = built(drop_path=0.999_999)
    np.testing.assert_array_equal(gone(x, training=True), x)


OPTIONS = {
    "dense": {"causal": True, "spans": (3, 0), "dropout": 0.2, "drop_path": 0.3},
    "experts": {"experts": 3, "dropout": 0.2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_stack_is_the_unrolled_network(pair: Callable, assert_same: Callable, float64: None, name: str) -> None:
    tolerance = 1e-5 if name == "experts" else 1e-9  # the router computes in float32 under every policy
    assert_same(pair(TransformerBlock(2, 16, **OPTIONS[name]), 2, SHAPE, 2), steps().astype("float64"), tolerance)


def test_config_round_trip() -> None:
    options = {"causal": True, "rotary": False, "spans": [2, 0], "experts": 4, "dropout": 0.1, "drop_path": 0.2}
    block = TransformerBlock(2, 16, name="block", **options)
    again = TransformerBlock.from_config(block.get_config())
    assert again.get_config() == block.get_config()
    assert options.items() <= again.get_config().items()
