"""Columns of zeros behind a feature vector: the room that a dense unit fills."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepstack")
class ZeroColumns(keras.layers.Layer):
    """`[batch, features]` to `[batch, features + columns]`.

    A layer rather than `keras.ops.pad`, because Keras writes bare operations into `.h5` files that it cannot read.

    Args:
        columns: how many are put behind.
    """

    def __init__(self, columns: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = columns
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Put the zeros behind."""
        return keras.ops.pad(inputs, ((0, 0), (0, self.columns)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`columns` more."""
        return (*input_shape[:-1], int(input_shape[-1] or 0) + self.columns)

    def get_config(self) -> dict[str, Any]:
        """Number of columns."""
        return {**super().get_config(), "columns": self.columns}
