"""Attention and recall as plain TensorFlow operations: layer norm and scale in the next product, masks as constants."""

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.fold import Drop, Hold, Op, fold, none_dropped
from deepstack.layers.encoder_block import EncoderBlock
from deepstack.layers.episodic_recall import EpisodicRecall
from deepstack.layers.self_attention import SelfAttention, rotate, visible
from deepstack.layers.transformer_block import TransformerBlock

UNSEEN = -1e9
"""Score of a step that must not be seen."""


@fold.register
def _(layer: keras.layers.LayerNormalization, hold: Hold, drop: Drop = none_dropped) -> Op:
    if layer.axis not in (-1, [-1]) or getattr(layer, "rms_scaling", False):
        return fold.dispatch(keras.layers.Layer)(layer, hold, drop)
    scale, shift = (hold(values.astype(np.float32)) for values in _affine(layer))
    centred = _centred(layer)
    return lambda x: centred(x) * scale + shift


@fold.register
def _(layer: SelfAttention, hold: Hold, drop: Drop = none_dropped) -> Op:
    return _attention(layer, hold, None)


@fold.register
def _(layer: TransformerBlock, hold: Hold, drop: Drop = none_dropped) -> Op:
    if layer.mixture is not None:
        return fold.dispatch(keras.layers.Layer)(layer, hold, drop)
    normed_1, attend = _centred(layer.norm_1), _attention(layer.attention, hold, layer.norm_1)
    normed_2, think = _centred(layer.norm_2), _after_norm(layer.dense_1, layer.norm_2, hold)
    say = _dense(layer.dense_2, hold)

    def dropped(number: int, x: tf.Tensor) -> tf.Tensor:
        for each in (layer.drops, layer.paths[:2]):
            x = drop(each[number], x) if number < len(each) else x
        return x

    def call(x: tf.Tensor) -> tf.Tensor:
        h = x + dropped(0, attend(normed_1(x)))
        return h + dropped(1, say(dropped(2, layer.dense_1.activation(think(normed_2(h))))))

    return call


@fold.register
def _(layer: EncoderBlock, hold: Hold, drop: Drop = none_dropped) -> Op:
    attend = fold(layer.attention, hold, drop)
    norm_1, norm_2 = (fold(norm, hold, drop) for norm in (layer.norm_1, layer.norm_2))
    think, say = (_dense(dense, hold) for dense in (layer.dense_1, layer.dense_2))
    first, second, inside = layer.drops

    def call(x: tf.Tensor) -> tf.Tensor:
        h = norm_1(x + drop(first, attend(x)))
        return norm_2(h + drop(second, say(drop(inside, layer.dense_1.activation(think(h))))))

    return call


@fold.register
def _(layer: EpisodicRecall, hold: Hold, drop: Drop = none_dropped) -> Op:
    """The bank is frozen: its sharpness goes into the keys, its importance into one row of scores."""
    keys = hold(layer.sharpness.numpy().astype(np.float32) * layer.keys.numpy().T)
    favour, known = hold(np.log(layer.importance.numpy())), hold(layer.known.numpy())
    end_s = hold(layer.end_s.numpy())

    def call(query: tf.Tensor, decision: tf.Tensor) -> tf.Tensor:
        unit = keras.ops.normalize(query, axis=-1, epsilon=1e-6)
        scores = tf.where(end_s[None] < decision, tf.matmul(unit, keys) + favour, UNSEEN)
        best, which = tf.math.top_k(scores, layer.top)
        found = best > UNSEEN / 2.0
        there = tf.cast(found, tf.float32)
        share = tf.nn.softmax(best) * there
        number = tf.where(found, tf.cast(which, tf.float32), -1.0)
        answers = tf.gather(known, which) * there[..., None]
        return tf.concat([number[..., None], share[..., None], answers], axis=-1)

    return call


def _attention(layer: SelfAttention, hold: Hold, norm: keras.layers.LayerNormalization | None) -> Op:
    """Attention over steps that its layer norm, if one is given, has only centred and scaled to length."""
    kernel, bias = _weights(layer.project_in, norm)
    width = kernel.shape[0]
    scale = np.where(np.arange(3 * width) < width, (width // layer.heads) ** -0.5, 1.0)  # the queries come first
    project = _product(hold((kernel * scale).astype(np.float32)), hold((bias * scale).astype(np.float32)))
    say = _dense(layer.project_out, hold)

    def call(x: tf.Tensor) -> tf.Tensor:
        time = x.shape[1]
        query, key, value = tf.unstack(tf.reshape(project(x), [-1, time, 3, layer.heads, width // layer.heads]), axis=2)
        if layer.rotary:
            query, key = rotate(query), rotate(key)
        scores = tf.einsum("bqhd,bkhd->bhqk", query, key)
        seen = visible(time, layer.heads, layer.causal, layer.spans)
        if seen is not None:
            scores += tf.constant(np.where(seen, 0.0, UNSEEN).astype(np.float32))
        mixed = tf.einsum("bhqk,bkhd->bqhd", tf.nn.softmax(scores), value)
        return say(tf.reshape(mixed, [-1, time, width]))

    return call


def _centred(norm: keras.layers.LayerNormalization) -> Op:
    """Layer norm without what its scale and shift make of it."""

    def call(x: tf.Tensor) -> tf.Tensor:
        apart = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        return apart * tf.math.rsqrt(tf.reduce_mean(apart * apart, axis=-1, keepdims=True) + norm.epsilon)

    return call


def _affine(norm: keras.layers.LayerNormalization) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, float64."""
    width = norm.gamma.shape[0] if norm.scale else norm.beta.shape[0] if norm.center else 1
    scale = norm.gamma.numpy().astype(np.float64) if norm.scale else np.ones(width)
    return scale, norm.beta.numpy().astype(np.float64) if norm.center else np.zeros(width)


def _weights(dense: keras.layers.Dense, norm: keras.layers.LayerNormalization | None) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias, float64, with the scale and shift of the layer norm before them."""
    kernel, bias = (values.numpy().astype(np.float64) for values in (dense.kernel, dense.bias))
    if norm is None:
        return kernel, bias
    scale, shift = _affine(norm)
    return scale[:, None] * kernel, bias + shift @ kernel


def _after_norm(dense: keras.layers.Dense, norm: keras.layers.LayerNormalization, hold: Hold) -> Op:
    return _product(*(hold(values.astype(np.float32)) for values in _weights(dense, norm)))


def _dense(dense: keras.layers.Dense, hold: Hold) -> Op:
    return _product(*(hold(values.astype(np.float32)) for values in _weights(dense, None)))


def _product(kernel: tf.Tensor, bias: tf.Tensor) -> Op:
    """`x · kernel + bias` as one matrix product, whatever the number of axes."""

    def call(x: tf.Tensor) -> tf.Tensor:
        flat = tf.matmul(tf.reshape(x, [-1, kernel.shape[0]]), kernel) + bias
        return tf.reshape(flat, [-1, *x.shape[1:-1], kernel.shape[1]])

    return call
