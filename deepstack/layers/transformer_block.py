"""The transformer block that all transformers here share: Pre-LN, so that stacks of any depth train."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.drop_path import DropPath
from deepstack.layers.mixture_of_experts import MixtureOfExperts
from deepstack.layers.self_attention import SelfAttention


@keras.saving.register_keras_serializable(package="deepstack")
class TransformerBlock(keras.layers.Layer):
    """`h = x + attention(LN(x))`, `y = h + feed_forward(LN(h))`; `[batch, time, width]` to the same.

    Layer norm stands inside the residual branches (Xiong et al. 2020, On layer normalization in the transformer
    architecture), unlike Vaswani et al. 2017. The block keeps its input's shape, so the depth engine can repeat it.

    Args:
        heads, causal, rotary, spans: of `SelfAttention`.
        hidden: inner units of the feed-forward part, or of each expert.
        experts: 0 is one plain feed-forward part; more make a `MixtureOfExperts`.
        dropout: at the end of both branches and inside the plain feed-forward part.
        drop_path: probability with which a sample leaves a branch out.
    """

    def __init__(
        self,
        heads: int,
        hidden: int,
        causal: bool = False,
        rotary: bool = True,
        spans: Sequence[int] = (),
        experts: int = 0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config = {
            "heads": heads,
            "hidden": hidden,
            "causal": causal,
            "rotary": rotary,
            "spans": list(spans),
            "experts": experts,
            "dropout": dropout,
            "drop_path": drop_path,
        }
        policy = {"dtype": self.dtype_policy}
        self.norm_1 = keras.layers.LayerNormalization(epsilon=1e-5, name="norm_1", **policy)
        self.attention = SelfAttention(heads, causal, rotary, spans, name="attention", **policy)
        self.norm_2 = keras.layers.LayerNormalization(epsilon=1e-5, name="norm_2", **policy)
        self.mixture = MixtureOfExperts(experts, hidden, min(2, experts), name="experts", **policy) if experts else None
        self.drops = [CounterDropout(dropout, name=f"dropout_{i}", **policy) for i in range(3)] if dropout else []
        self.paths = [DropPath(drop_path, name=f"drop_path_{i}", **policy) for i in range(2)] if drop_path else []

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the parts for `[batch, time, width]`."""
        width, hidden = input_shape[-1], self._config["hidden"]
        for part in (self.norm_1, self.attention, self.norm_2):
            part.build(input_shape)
        if self.mixture is not None:
            self.mixture.build(input_shape)
        else:
            policy = {"dtype": self.dtype_policy}
            self.dense_1 = keras.layers.Dense(hidden, activation="gelu", name="dense_1", **policy)
            self.dense_2 = keras.layers.Dense(width, name="dense_2", **policy)
            self.dense_1.build(input_shape)
            self.dense_2.build((*input_shape[:-1], hidden))
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Attend, then think step by step."""
        return self._thought(inputs + self._branch(self.attention(self.norm_1(inputs)), 0, training), training)

    def step(self, newest: tf.Tensor, kept: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What `call` answers in inference for the last of its steps; see `SelfAttention.step`."""
        mixed, kept = self.attention.step(self.norm_1(newest), kept, steps)
        return self._thought(newest + mixed, training=False), kept

    def _thought(self, h: tf.Tensor, training: bool) -> tf.Tensor:
        normed = self.norm_2(h)
        if self.mixture is not None:
            return h + self._branch(self.mixture(normed, training=training), 1, training)
        inner = self.dense_1(normed)
        if self.drops:
            inner = self.drops[2](inner, training=training)
        return h + self._branch(self.dense_2(inner), 1, training)

    def _branch(self, x: tf.Tensor, number: int, training: bool) -> tf.Tensor:
        for drop in (self.drops, self.paths):
            if drop:
                x = drop[number](x, training=training)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), **self._config}
