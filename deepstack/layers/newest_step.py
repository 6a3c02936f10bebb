"""The newest step of a sequence."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepstack")
class NewestStep(keras.layers.Layer):
    """`[batch, time, width]` to `[batch, width]`: the last step; a layer, because `.h5` files know nothing else."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Take it."""
        return inputs[:, -1]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[batch, width]`."""
        return input_shape[0], input_shape[-1]
