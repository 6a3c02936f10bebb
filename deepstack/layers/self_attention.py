"""Multi-head self-attention over time: rotary positions, causal or not, heads that see different horizons."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="deepstack")
class SelfAttention(keras.layers.Layer):
    """`[batch, time, width]` to the same: softmax(Q Kᵀ / √d) V over all heads, then one projection.

    One product makes Q, K and V. The attention itself is `keras.ops.dot_product_attention`, which takes the backend's
    fused kernel where it has one. Not to be confused with `keras.layers.MultiHeadAttention`, which has neither rotary
    positions nor a span for each head.

    Args:
        heads: must divide the width into an even number of columns each.
        causal: step t sees no later step.
        rotary: turn Q and K by their position (Su et al. 2021, RoFormer), so that scores depend on distance alone.
        spans: for each group of heads the steps it sees to either side, itself included; 0 sees all. Groups share the
            heads equally: (8, 32, 0) lets a third of them look at 8 steps. Empty means that every head sees all.
    """

    def __init__(
        self, heads: int, causal: bool = False, rotary: bool = True, spans: Sequence[int] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.heads, self.causal, self.rotary, self.spans = heads, causal, rotary, tuple(spans)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the two projections."""
        width = int(input_shape[-1] or 0)
        if width % (2 * self.heads):
            raise ValueError(f"width {width} must be an even multiple of {self.heads} heads")

        def dense(units: int, name: str) -> keras.layers.Dense:
            return keras.layers.Dense(units, dtype=self.dtype_policy, name=name)

        self.project_in, self.project_out = dense(3 * width, "query_key_value"), dense(width, "output")
        self.project_in.build(input_shape)
        self.project_out.build(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Attend."""
        time, width = inputs.shape[1:]
        shape = (-1, time, 3, self.heads, width // self.heads)
        query, key, value = ops.unstack(ops.reshape(self.project_in(inputs), shape), axis=2)
        if self.rotary:
            query, key = rotate(query), rotate(key)
        mask = visible(time, self.heads, self.causal, self.spans)
        mixed = ops.dot_product_attention(query, key, value, mask=None if mask is None else ops.convert_to_tensor(mask))
        return self.project_out(ops.reshape(mixed, (-1, time, width)))

    @property
    def reach(self) -> int:
        """Steps that the farthest-sighted head sees, its own included; 0: all."""
        return 0 if 0 in self.spans else max(self.spans, default=0)

    def step(self, newest: tf.Tensor, kept: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What `call` answers for the last of its steps, from that step and the keys and values of those before.

        Args:
            newest: [batch, width].
            kept: [batch, reach - 1, 2, heads, d], keys not yet turned and values, oldest first.
            steps: int32 [batch], how many of those are real.

        Returns:
            [batch, width], and `kept` for the step after.
        """
        width = newest.shape[-1]
        shape = (-1, 3, self.heads, width // self.heads)
        made = ops.reshape(self.project_in(newest), shape)
        seen = ops.concatenate([kept, made[:, None, 1:]], axis=1)
        query, key, value = made[:, :1], seen[:, :, 0], seen[:, :, 1]
        if self.rotary:
            query, key = rotate(query, self.reach - 1), rotate(key)
        ages = np.arange(self.reach)[::-1]
        near = ages < _span_of_head(self.heads, self.spans)[:, None]
        real = ops.convert_to_tensor(ages) <= ops.cast(steps, "int64")[:, None]
        mask = ops.logical_and(ops.convert_to_tensor(near)[None, :, None], real[:, None, None])
        mixed = ops.dot_product_attention(query, key, value, mask=mask)
        return self.project_out(ops.reshape(mixed, (-1, width))), seen[:, 1:]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"heads": self.heads, "causal": self.causal, "rotary": self.rotary, "spans": list(self.spans)}
        return {**super().get_config(), **config}


def rotate(x: Any, first: int = 0) -> Any:
    """Turn column pairs (i, i + d/2) of `[batch, time, heads, d]` by the angle (first + time) · 10000^(−2i/d)."""
    time, half = x.shape[1], x.shape[-1] // 2
    angle = (first + np.arange(time))[:, None] * 10_000.0 ** (-np.arange(half) / half)
    cosine, sine = (ops.convert_to_tensor(f(angle)[:, None, :], x.dtype) for f in (np.cos, np.sin))
    first, second = x[..., :half], x[..., half:]
    return ops.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


def visible(time: int, heads: int, causal: bool, spans: Sequence[int]) -> np.ndarray | None:
    """Which key each query sees, bool [1, heads or 1, time, time]; None when every query sees all."""
    distance = np.arange(time)[:, None] - np.arange(time)
    allowed = distance >= 0 if causal else np.ones_like(distance, dtype=bool)
    if not spans:
        return allowed[None, None] if causal else None
    of_head = _span_of_head(heads, spans)
    near = (of_head[:, None, None] == 0) | (np.abs(distance) < of_head[:, None, None])
    return (near & allowed)[None]


def _span_of_head(heads: int, spans: Sequence[int]) -> np.ndarray:
    return np.array(spans)[np.arange(heads) * len(spans) // heads]
