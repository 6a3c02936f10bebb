"""Layers as plain TensorFlow operations for inference: batch norm folded, dropout gone, stacks unrolled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import singledispatch

import keras
import numpy as np
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.dense_growth import DenseGrowth
from deepstack.layers.plain_dense import PlainDense
from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense

MOST_BLOCKS = 32
"""Repeated blocks without a rule that are unrolled; of more the loop stays, which traces alike at any depth."""

Op = Callable[..., tf.Tensor]
Hold = Callable[[np.ndarray], tf.Tensor]
"""How a folded weight is held: `tf.constant`, or as a variable where constants would not fit."""
Drop = Callable[[keras.Layer, tf.Tensor], tf.Tensor]
"""What becomes of the input of a dropout layer."""


def none_dropped(layer: keras.Layer, x: tf.Tensor) -> tf.Tensor:
    """Inference: dropout passes everything on."""
    return x


@singledispatch
def fold(layer: keras.Operation, hold: Hold, drop: Drop = none_dropped) -> Op:
    """Inference of one layer, or of a bare operation of the graph."""
    flag = {"training": False} if getattr(layer, "_call_has_training_arg", False) else {}

    def call(*tensors: tf.Tensor) -> tf.Tensor:
        with _dropping(layer, drop):
            return layer(*tensors, **flag)

    return call


@fold.register(CounterDropout)
@fold.register(keras.layers.Dropout)
def _(layer: keras.Layer, hold: Hold, drop: Drop = none_dropped) -> Op:
    return lambda x: drop(layer, x)


@fold.register
def _(layer: keras.layers.BatchNormalization, hold: Hold, drop: Drop = none_dropped) -> Op:
    if layer.axis != -1:
        return fold.dispatch(keras.layers.Layer)(layer, hold, drop)
    scale, shift = (hold(v) for v in _affine(layer))
    return lambda x: x * scale + shift


@fold.register
def _(layer: keras.layers.Conv1D, hold: Hold, drop: Drop = none_dropped) -> Op:
    """One product over the taps side by side: of few samples it takes a third of a convolution's time."""
    if layer.strides != (1,) or layer.groups != 1 or layer.padding == "valid" or layer.data_format != "channels_last":
        return fold.dispatch(keras.layers.Layer)(layer, hold, drop)
    weights, dilation = layer.kernel.numpy(), layer.dilation_rate[0]
    reach = (len(weights) - 1) * dilation
    before = reach if layer.padding == "causal" else reach // 2
    kernel = hold(weights.reshape(-1, weights.shape[-1]))
    bias = hold(layer.bias.numpy() if layer.use_bias else np.zeros(weights.shape[-1], np.float32))

    def call(x: tf.Tensor) -> tf.Tensor:
        padded, steps = tf.pad(x, [[0, 0], [before, reach - before], [0, 0]]), x.shape[1]
        taps = [padded[:, start : start + steps] for start in range(0, reach + 1, dilation)]
        return layer.activation(tf.matmul(tf.concat(taps, axis=-1), kernel) + bias)

    return call


@fold.register
def _(layer: keras.layers.MaxPooling1D, hold: Hold, drop: Drop = none_dropped) -> Op:
    (size,) = layer.pool_size if isinstance(layer.pool_size, tuple) else (layer.pool_size,)
    if layer.padding != "same" or layer.strides not in (size, (size,)):
        return fold.dispatch(keras.layers.Layer)(layer, hold, drop)

    def call(x: tf.Tensor) -> tf.Tensor:
        steps, units = x.shape[1:]
        missing = -steps % size
        padding = [[0, 0], [missing // 2, missing - missing // 2], [0, 0]]
        full = tf.pad(x, padding, constant_values=x.dtype.min)
        return tf.reduce_max(tf.reshape(full, [-1, (steps + missing) // size, size, units]), axis=2)

    return call


@fold.register
def _(layer: RematScan, hold: Hold, drop: Drop = none_dropped) -> Op:
    block = layer.new_block("folding")
    has_rule = _has_rule(block)
    if loops(layer):
        return lambda x: layer(x, training=False)
    if not block.built:
        block.build(layer.block_shape)
    variables = [*block.trainable_variables, *block.non_trainable_variables]
    stacks = [stack.numpy() for stack in layer.stacks]
    ops: list[Op] = []
    for i in range(layer.depth):
        for variable, stack in zip(variables, stacks, strict=True):
            variable.assign(stack[i])
        ops.append(fold(block, hold, drop) if has_rule else _as_it_is(layer, stacks, i, hold, drop))

    def call(x: tf.Tensor) -> tf.Tensor:
        for op in ops:
            x = op(x)
        return x

    return call


@fold.register
def _(layer: ResidualDense, hold: Hold, drop: Drop = none_dropped) -> Op:
    first, second = _dense_norm(layer.dense_1, layer.norm_1, hold), _dense_norm(layer.dense_2, layer.norm_2, hold)
    return lambda x: x + second(_dropped(layer, tf.nn.relu(first(x)), drop))


@fold.register
def _(layer: PlainDense, hold: Hold, drop: Drop = none_dropped) -> Op:
    first = _dense_norm(layer.dense, layer.norm, hold)
    return lambda x: _dropped(layer, tf.nn.relu(first(x)), drop)


@fold.register
def _(layer: DenseGrowth, hold: Hold, drop: Drop = none_dropped) -> Op:
    grow = fold(layer.grow, hold, drop)
    return lambda x: tf.concat([grow(x), x[:, : -layer.growth]], axis=-1)


def loops(layer: RematScan) -> bool:
    """Whether the folded stack is a loop still."""
    return layer.depth > MOST_BLOCKS and not _has_rule(layer.template)


def _has_rule(block: keras.Layer) -> bool:
    whole = getattr(block, "mixture", None) is None  # experts run as they are
    return whole and fold.dispatch(type(block)) is not fold.dispatch(keras.layers.Layer)


def _dropped(block: ResidualDense | PlainDense, x: tf.Tensor, drop: Drop) -> tf.Tensor:
    return x if block.dropout is None else drop(block.dropout, x)


@contextmanager
def _dropping(layer: keras.Operation, drop: Drop) -> Iterator[None]:
    """While it lasts, the dropout layers inside a layer ask `drop`."""
    inside = layer._flatten_layers(include_self=False) if isinstance(layer, keras.Layer) else ()
    asked = [each for each in inside if isinstance(each, keras.layers.Dropout | CounterDropout)]
    for each in asked:
        # Past Keras' own __setattr__, which would look for weights in it.
        object.__setattr__(each, "call", lambda x, training=False, each=each: drop(each, x))
    try:
        yield
    finally:
        for each in asked:
            object.__delattr__(each, "call")


def _as_it_is(layer: RematScan, stacks: list[np.ndarray], i: int, hold: Hold, drop: Drop) -> Op:
    """Block i of a stack whose block has no rule: its own call, on its own weights."""
    template, n = layer.template, len(layer.template.trainable_variables)
    values = [hold(stack[i]) for stack in stacks]

    def call(x: tf.Tensor) -> tf.Tensor:
        with _dropping(template, drop):
            return template.stateless_call(values[:n], values[n:], x, training=False)[0]

    return call


def _dense_norm(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization, hold: Hold) -> Op:
    """`BN(W · x)` as one product and one sum."""
    scale, shift = _affine(norm)
    kernel, bias = hold(dense.kernel.numpy() * scale), hold(shift)
    return lambda x: tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _affine(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """The (scale, shift) that a batch norm applies at inference; in float64 until the last step."""
    mean, variance = (v.numpy().astype(np.float64) for v in (norm.moving_mean, norm.moving_variance))
    scale = (norm.gamma.numpy() if norm.scale else 1.0) / np.sqrt(variance + norm.epsilon)
    shift = (norm.beta.numpy() if norm.center else 0.0) - mean * scale
    return scale.astype(np.float32), shift.astype(np.float32)
