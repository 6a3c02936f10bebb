"""Initializers and regularizers for weights stacked along a leading depth axis: each slice as if it stood alone."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def stacked_initializer(initializer: Callable, depth: int, draw_seed: int) -> Callable:
    """An initializer of shape `[depth, …]` whose slices are independent draws of `initializer` for shape `[…]`.

    Variance scaling of a matrix or kernel and the constants are drawn in one call; anything else slice by slice.

    Args:
        initializer: Keras initializer or callable `(shape, dtype) -> tensor` of one slice.
        depth: number of slices.
        draw_seed: seed of the slices, so that two stacks of one template differ.
    """

    def initialize(shape: tuple[int, ...], dtype: Any = None, **_: Any) -> tf.Tensor:
        inner = tuple(shape[1:])
        if isinstance(initializer, keras.initializers.Constant | keras.initializers.Zeros | keras.initializers.Ones):
            return tf.convert_to_tensor(keras.ops.broadcast_to(initializer(inner, dtype=dtype), shape))
        if isinstance(initializer, keras.initializers.VarianceScaling) and len(inner) >= 2:
            # Fans count every axis but the last two, so the depth axis multiplies them; the scale undoes that.
            whole = keras.initializers.VarianceScaling(
                initializer.scale * depth, initializer.mode, initializer.distribution, seed=draw_seed
            )
            return whole(shape, dtype=dtype)
        seeds = np.random.SeedSequence(draw_seed).generate_state(depth)
        return tf.stack([_reseeded(initializer, int(s))(inner, dtype=dtype) for s in seeds])

    return initialize


def stacked_seed_states(depth: int, draw_seed: int) -> Callable:
    """An initializer of `[depth, 2]` generator states `(key, calls = 0)` with independent keys."""

    def initialize(shape: tuple[int, ...], dtype: Any = None, **_: Any) -> tf.Tensor:
        keys = np.random.SeedSequence(draw_seed).generate_state(depth)
        return tf.cast(np.stack([keys, np.zeros_like(keys)], axis=1), dtype or "uint32")

    return initialize


def stacked_regularizer(regularizer: Callable | None) -> Callable | None:
    """The sum of `regularizer` over the slices of a stack; L1 and L2 are sums already and stay as they are."""
    additive = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    if regularizer is None or isinstance(regularizer, additive):
        return regularizer
    return lambda stack: tf.reduce_sum(tf.map_fn(regularizer, stack))


def _reseeded(initializer: Callable, seed: int) -> Callable:
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    return type(initializer).from_config({**config, "seed": seed} if "seed" in config else config)
