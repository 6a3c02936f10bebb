"""Dense, batch norm, ReLU and dropout, without a skip."""

from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout


@keras.saving.register_keras_serializable(package="deepstack")
class PlainDense(keras.layers.Layer):
    """`dropout(relu(BN(W · x)))`, two counted layers; `[batch, features]` to `[batch, units]`.

    Args:
        units: of the dense layer.
        dropout: rate after the activation.
        l2: weight of the L2 penalty on the kernel.
        momentum: of the batch statistics.
    """

    def __init__(
        self, units: int, dropout: float = 0.0, l2: float = 0.0, momentum: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.rate, self.l2, self.momentum = units, dropout, l2, momentum
        self.dense = keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            dtype=self.dtype_policy,
            name="dense",
        )
        self.norm = keras.layers.BatchNormalization(momentum=momentum, dtype=self.dtype_policy, name="norm")
        self.dropout = CounterDropout(dropout, dtype=self.dtype_policy, name="dropout") if dropout else None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build both layers."""
        self.dense.build(input_shape)
        self.norm.build((None, self.units))
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Dense, batch norm, ReLU, dropout."""
        h = keras.ops.relu(self.norm(self.dense(inputs), training=training))
        return h if self.dropout is None else self.dropout(h, training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[batch, units]`."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"units": self.units, "dropout": self.rate, "l2": self.l2, "momentum": self.momentum}
        return {**super().get_config(), **config}
