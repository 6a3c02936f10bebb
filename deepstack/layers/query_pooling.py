"""Several learned questions to one sequence, each with attention heads of its own."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="deepstack")
class QueryPooling(keras.layers.Layer):
    """`[batch, time, width]` to `[batch, queries, width]`: each query has its own heads, keys and values.

    After the pooling by attention of Lee et al. 2019 (Set Transformer, section 3.2), without sharing between the
    queries: what matters for the next minutes need not matter for the next hour.

    Args:
        queries: how many questions.
        heads: of each; must divide the width.
    """

    def __init__(self, queries: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.queries, self.heads = queries, heads

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the questions, and keys and values for each."""
        width = int(input_shape[-1] or 0)
        if width % self.heads:
            raise ValueError(f"width {width} must be a multiple of {self.heads} heads")
        size = width // self.heads
        self.question = self.add_weight((self.queries, self.heads, size), "glorot_uniform", name="question")
        self.key, self.value = (
            keras.layers.EinsumDense(
                "btw,wqhd->btqhd",
                (None, self.queries, self.heads, size),
                bias_axes="qhd",
                dtype=self.dtype_policy,
                name=name,
            )
            for name in ("key", "value")
        )
        self.key.build(input_shape)
        self.value.build(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Ask."""
        size = self.question.shape[-1]
        scores = ops.einsum("btqhd,qhd->bqht", self.key(inputs), self.question) / size**0.5
        found = ops.einsum("bqht,btqhd->bqhd", ops.softmax(scores, axis=-1), self.value(inputs))
        return ops.reshape(found, (-1, self.queries, self.heads * size))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[batch, queries, width]`."""
        return input_shape[0], self.queries, input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "queries": self.queries, "heads": self.heads}
