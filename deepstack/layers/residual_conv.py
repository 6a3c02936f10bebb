"""The residual block over time: Conv1D-BN-ReLU-dropout-Conv1D-BN and a skip."""

from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout


@keras.saving.register_keras_serializable(package="deepstack")
class ResidualConv(keras.layers.Layer):
    """`y = relu(x + BN(conv(dropout(relu(BN(conv(x)))))))`; `[batch, time, filters]` to the same (He et al. 2016).

    The last scale starts at zero, so a stack of any depth starts as the identity on what is positive.

    Args:
        kernel_size: steps each convolution spans.
        dropout: rate between the two convolutions.
        momentum: of the batch statistics.
    """

    def __init__(self, kernel_size: int = 3, dropout: float = 0.0, momentum: float = 0.99, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size, self.dropout_rate, self.momentum = kernel_size, dropout, momentum
        self.dropout = CounterDropout(dropout, dtype=self.dtype_policy, name="dropout") if dropout else None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the four parts for `[batch, time, filters]`."""
        policy = {"dtype": self.dtype_policy}

        def conv(name: str) -> keras.layers.Conv1D:
            return keras.layers.Conv1D(
                int(input_shape[-1] or 0),
                self.kernel_size,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=name,
                **policy,
            )

        def norm(name: str, gamma: str) -> keras.layers.BatchNormalization:
            return keras.layers.BatchNormalization(momentum=self.momentum, gamma_initializer=gamma, name=name, **policy)

        self.conv_1, self.norm_1 = conv("conv_1"), norm("norm_1", "ones")
        self.conv_2, self.norm_2 = conv("conv_2"), norm("norm_2", "zeros")
        for part in (self.conv_1, self.norm_1, self.conv_2, self.norm_2):
            part.build(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Convolve twice and add."""
        h = keras.ops.relu(self.norm_1(self.conv_1(inputs), training=training))
        if self.dropout is not None:
            h = self.dropout(h, training=training)
        return keras.ops.relu(inputs + self.norm_2(self.conv_2(h), training=training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"kernel_size": self.kernel_size, "dropout": self.dropout_rate, "momentum": self.momentum}
        return {**super().get_config(), **config}
