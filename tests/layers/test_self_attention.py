"""Attention is Keras' own where Keras has it; rotary scores know distances alone; a head sees its span and no more."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.self_attention import SelfAttention, rotate, visible

TIME, WIDTH, HEADS = 9, 12, 3


def steps(seed: int = 0, batch: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, TIME, WIDTH)).astype("float32")


def built(**options: object) -> SelfAttention:
    """With every weight and bias drawn."""
    layer = SelfAttention(HEADS, **options)
    layer.build((None, TIME, WIDTH))
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(0.0, 0.4, w.shape) for w in layer.get_weights()])
    return layer


def gradient_reach(layer: SelfAttention, head: int | None = None) -> np.ndarray:
    """Which input step each output step depends on, bool [out, in]; of one head when the others are not read."""
    if head is not None:
        kernel, size = np.zeros((WIDTH, WIDTH), "float32"), WIDTH // HEADS
        kernel[head * size : (head + 1) * size] = np.random.default_rng(2).normal(size=(size, WIDTH))
        layer.project_out.kernel.assign(kernel)
    x = tf.constant(steps(batch=1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x)[0] ** 2, axis=-1)
    return np.abs(tape.jacobian(y, x)[:, 0]).max(axis=-1) > 0.0


@pytest.mark.parametrize("causal", [False, True])
def test_equals_keras_attention_with_the_same_weights(causal: bool) -> None:
    layer, size = built(causal=causal, rotary=False), WIDTH // HEADS
    other = keras.layers.MultiHeadAttention(HEADS, size)
    other.build((None, TIME, WIDTH), (None, TIME, WIDTH))
    kernel, bias, out_kernel, out_bias = layer.get_weights()
    kernels, biases = kernel.reshape(WIDTH, 3, HEADS, size), bias.reshape(3, HEADS, size)
    pairs = [part for i in range(3) for part in (kernels[:, i], biases[i])]
    other.set_weights([*pairs, out_kernel.reshape(HEADS, size, WIDTH), out_bias])
    x = steps()
    np.testing.assert_allclose(layer(x), other(x, x, use_causal_mask=causal), atol=1e-5)


def test_rotary_scores_depend_on_distance_alone() -> None:
    query, key = (np.random.default_rng(i).normal(size=(1, 1, 2, 8)) for i in (0, 1))
    turned = [rotate(tf.constant(np.repeat(part, 40, axis=1))) for part in (query, key)]
    scores = np.einsum("bthd,bshd->hts", *turned)
    for shift in (1, 7):
        np.testing.assert_allclose(scores[:, shift:, shift:], scores[:, :-shift, :-shift], atol=1e-10)
    assert np.abs(scores[:, 0] - scores[:, :, 0]).max() > 0.1  # before is not after
    np.testing.assert_allclose(np.linalg.norm(turned[0], axis=-1), np.linalg.norm(query, axis=-1).repeat(40, axis=1))
    np.testing.assert_allclose(turned[0][:, 0], query[:, 0])


def test_rotation_is_roformers() -> None:
    """Su et al. 2021, equation 15: pairs as complex numbers times exp(i · m · θ)."""
    x = np.random.default_rng(0).normal(size=(2, TIME, 1, 8))
    theta = 10_000.0 ** (-2.0 * np.arange(4) / 8)
    expected = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * np.arange(TIME)[:, None] * theta)[:, None]
    np.testing.assert_allclose(rotate(tf.constant(x)), np.concatenate([expected.real, expected.imag], -1), atol=1e-12)


def test_without_positions_the_order_of_the_steps_does_not_matter() -> None:
    x, order = steps(), np.random.default_rng(3).permutation(TIME)
    plain, turned = built(rotary=False), built(rotary=True)
    np.testing.assert_allclose(plain(x[:, order]), np.asarray(plain(x))[:, order], atol=1e-5)
    assert np.abs(np.asarray(turned(x[:, order])) - np.asarray(turned(x))[:, order]).max() > 0.01


@pytest.mark.parametrize("causal", [False, True])
def test_each_head_sees_its_span_alone(causal: bool) -> None:
    distance = np.arange(TIME)[:, None] - np.arange(TIME)
    for head, span in enumerate((2, 4, 0)):
        expected = (np.abs(distance) < span) if span else np.ones_like(distance, bool)
        if causal:
            expected &= distance >= 0
        np.testing.assert_array_equal(gradient_reach(built(causal=causal, spans=(2, 4, 0)), head), expected)


def test_groups_share_the_heads_equally() -> None:
    mask = visible(20, 6, False, (2, 8, 0))
    assert mask is not None
    assert mask[0, :, 10].sum(axis=-1).tolist() == [3, 3, 15, 15, 20, 20]
    assert visible(20, 6, False, ()) is None


def test_no_later_step_is_seen_when_causal() -> None:
    np.testing.assert_array_equal(gradient_reach(built(causal=True)), np.tril(np.ones((TIME, TIME), bool)))


def test_a_width_that_no_head_can_turn_is_refused() -> None:
    with pytest.raises(ValueError, match="width 9 must be an even multiple of 3 heads"):
        SelfAttention(3).build((None, TIME, 9))


def test_config_round_trip() -> None:
    layer = SelfAttention(4, causal=True, rotary=False, spans=(3, 0), name="attention")
    assert SelfAttention.from_config(layer.get_config()).get_config() == layer.get_config()
