"""Positions added to a sequence: sines and cosines of geometric wavelengths."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepstack")
class SinePositions(keras.layers.Layer):
    """`y_t = x_t + p_t`, p of Vaswani et al. 2017, Attention is all you need, section 3.5. `[batch, time, width]`.

    Positions count back from the newest step, so that "now" has the same code in windows of every length.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Add the table."""
        time, width = inputs.shape[1:]
        return inputs + tf.constant(sine_table(time, width)[::-1], inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape


def sine_table(positions: int, width: int) -> np.ndarray:
    """float64 [positions, width]: sines in the first half of the columns, cosines in the second."""
    half = (width + 1) // 2
    angle = np.arange(positions)[:, None] * 10_000.0 ** (-np.arange(half) / half)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)[:, :width]
