"""What became of the recalled episodes, mixed by their shares."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepstack")
class RecalledMixture(keras.layers.Layer):
    """The output of `EpisodicRecall`, `[batch, top, 2 + answers]`, to `[batch, answers]`: Σ share · answers."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Mix."""
        return keras.ops.einsum("bt,bta->ba", inputs[:, :, 1], inputs[:, :, 2:])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[batch, answers]`."""
        return input_shape[0], int(input_shape[-1] or 0) - 2
