"""The residual block of the ultimate network: Dense-BN-ReLU-dropout-Dense-BN and a skip."""

from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout


@keras.saving.register_keras_serializable(package="deepstack")
class ResidualDense(keras.layers.Layer):
    """`y = x + BN(W2 · dropout(relu(BN(W1 · x))))`, four counted layers: Dense, BN, Dense, BN.

    The last scale starts at zero, so a stack of any depth starts as the identity and its gradient neither vanishes
    nor explodes (Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 5.1). No bias stands before a batch
    norm, which would cancel it.

    Args:
        width: units of both dense layers and of the input, shape `[batch, width]`.
        dropout: rate between the two dense layers.
        l2: weight of the L2 penalty on both kernels.
        momentum: of the batch statistics.
    """

    def __init__(
        self, width: int, dropout: float = 0.0, l2: float = 0.0, momentum: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.width, self.dropout_rate, self.l2, self.momentum = width, dropout, l2, momentum

        def dense(name: str) -> keras.layers.Dense:
            penalty = keras.regularizers.L2(l2) if l2 else None
            return keras.layers.Dense(
                width,
                use_bias=False,
                kernel_initializer="he_normal",
                kernel_regularizer=penalty,
                dtype=self.dtype_policy,
                name=name,
            )

        def norm(name: str, gamma: str) -> keras.layers.BatchNormalization:
            return keras.layers.BatchNormalization(
                momentum=momentum, gamma_initializer=gamma, dtype=self.dtype_policy, name=name
            )

        self.dense_1, self.norm_1 = dense("dense_1"), norm("norm_1", "ones")
        self.dropout = CounterDropout(dropout, dtype=self.dtype_policy, name="dropout") if dropout else None
        self.dense_2, self.norm_2 = dense("dense_2"), norm("norm_2", "zeros")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build the four parts for `[batch, width]`."""
        for part in (self.dense_1, self.norm_1, self.dense_2, self.norm_2):
            part.build(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[batch, width]` to `[batch, width]`."""
        h = keras.ops.relu(self.norm_1(self.dense_1(inputs), training=training))
        if self.dropout is not None:
            h = self.dropout(h, training=training)
        return inputs + self.norm_2(self.dense_2(h), training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"width": self.width, "dropout": self.dropout_rate, "l2": self.l2, "momentum": self.momentum}
        return {**super().get_config(), **config}
