"""A DenseNet unit for feature vectors: each layer sees all that came before it."""

from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout


@keras.saving.register_keras_serializable(package="deepstack")
class DenseUnit(keras.layers.Layer):
    """`h_i = dropout(relu(BN(W_i · [x, h_0 … h_{i-1}])))`, then a transition back to the input's width.

    After Huang et al. 2017, "Densely Connected Convolutional Networks", with dense layers for convolutions. Not to be
    confused with a stack of `keras.layers.Dense`.

    Args:
        layers: number of densely connected layers; two counted layers each (Dense, BN), and two for the transition.
        growth: units each layer adds.
        dropout: rate after each layer.
        l2: weight of the L2 penalty on the kernels.
        momentum: of the batch statistics.
    """

    def __init__(
        self, layers: int, growth: int, dropout: float = 0.0, l2: float = 0.0, momentum: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.layer_count, self.growth, self.dropout_rate, self.l2, self.momentum = layers, growth, dropout, l2, momentum

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the layers for `[batch, width]`."""
        width = input_shape[-1]
        units = [self.growth] * self.layer_count + [width]
        self.dense = [self._dense(n, f"dense_{i}") for i, n in enumerate(units)]
        self.norm = [self._norm(f"norm_{i}") for i in range(len(units))]
        self.dropout = [self._dropout(f"dropout_{i}") for i in range(self.layer_count)] if self.dropout_rate else []
        for i, (dense, norm) in enumerate(zip(self.dense, self.norm, strict=True)):
            dense.build((None, width + i * self.growth))
            norm.build((None, units[i]))
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[batch, width]` to `[batch, width]`."""
        seen = inputs
        for i in range(self.layer_count):
            h = keras.ops.relu(self.norm[i](self.dense[i](seen), training=training))
            if self.dropout:
                h = self.dropout[i](h, training=training)
            seen = keras.ops.concatenate([seen, h], axis=-1)
        return keras.ops.relu(self.norm[-1](self.dense[-1](seen), training=training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"layers": self.layer_count, "growth": self.growth, "dropout": self.dropout_rate, "l2": self.l2}
        return {**super().get_config(), **config, "momentum": self.momentum}

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        penalty = keras.regularizers.L2(self.l2) if self.l2 else None
        options = {"use_bias": False, "kernel_initializer": "he_normal", "kernel_regularizer": penalty}
        return keras.layers.Dense(units, dtype=self.dtype_policy, name=name, **options)

    def _norm(self, name: str) -> keras.layers.BatchNormalization:
        return keras.layers.BatchNormalization(momentum=self.momentum, dtype=self.dtype_policy, name=name)

    def _dropout(self, name: str) -> CounterDropout:
        return CounterDropout(self.dropout_rate, dtype=self.dtype_policy, name=name)
