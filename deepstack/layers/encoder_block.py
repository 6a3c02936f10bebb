"""The encoder block of the original transformer: layer norm after each residual sum."""

from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.self_attention import SelfAttention


@keras.saving.register_keras_serializable(package="deepstack")
class EncoderBlock(keras.layers.Layer):
    """`h = LN(x + attention(x))`, `y = LN(h + W2 relu(W1 h))`; `[batch, time, width]` to the same.

    Vaswani et al. 2017, Attention is all you need, section 3.1: Post-LN, unlike `TransformerBlock`.

    Args:
        heads: of the attention.
        hidden: inner units of the feed-forward part.
        dropout: at the end of both branches and inside the feed-forward part.
    """

    def __init__(self, heads: int, hidden: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = {"heads": heads, "hidden": hidden, "dropout": dropout}
        policy = {"dtype": self.dtype_policy}
        self.attention = SelfAttention(heads, rotary=False, name="attention", **policy)
        self.norm_1 = keras.layers.LayerNormalization(epsilon=1e-5, name="norm_1", **policy)
        self.dense_1 = keras.layers.Dense(hidden, activation="relu", name="dense_1", **policy)
        self.norm_2 = keras.layers.LayerNormalization(epsilon=1e-5, name="norm_2", **policy)
        self.drops = [CounterDropout(dropout, name=f"dropout_{i}", **policy) for i in range(3)]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the parts for `[batch, time, width]`."""
        self.dense_2 = keras.layers.Dense(input_shape[-1], name="dense_2", dtype=self.dtype_policy)
        for part in (self.attention, self.norm_1, self.dense_1, self.norm_2):
            part.build(input_shape)
        self.dense_2.build((*input_shape[:-1], self._config["hidden"]))
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Attend, then think step by step."""
        first, second, inside = self.drops
        h = self.norm_1(inputs + first(self.attention(inputs), training=training))
        inner = inside(self.dense_1(h), training=training)
        return self.norm_2(h + second(self.dense_2(inner), training=training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), **self._config}
