"""The densely connected block: it sees all that came before it and puts its own output in front."""

from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.plain_dense import PlainDense


@keras.saving.register_keras_serializable(package="deepstack")
class DenseGrowth(keras.layers.Layer):
    """`[dropout(relu(BN(W · seen))), seen without its last `growth` columns]`, two counted layers: Dense, BN.

    After Huang et al. 2017, "Densely Connected Convolutional Networks", with dense layers for convolutions. Given its
    input behind `growth · n` columns of zeros, n blocks in a row fill those columns, newest first, and each sees the
    input and all earlier outputs: the block keeps its shape, so a stack of any length is one loop. The weights that
    meet the zeros are never used.

    Args:
        growth: columns a block adds.
        dropout: rate on what it adds.
        l2: weight of the L2 penalty on the kernel.
        momentum: of the batch statistics.
    """

    def __init__(
        self, growth: int, dropout: float = 0.0, l2: float = 0.0, momentum: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.growth = growth
        self.grow = PlainDense(growth, dropout, l2, momentum, dtype=self.dtype_policy, name="grow")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build for `[batch, width + growth · n]`."""
        self.grow.build(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[batch, width + growth · n]` to the same shape."""
        return keras.ops.concatenate([self.grow(inputs, training=training), inputs[:, : -self.growth]], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        inner = self.grow.get_config()
        return {**super().get_config(), "growth": self.growth} | {k: inner[k] for k in ("dropout", "l2", "momentum")}
