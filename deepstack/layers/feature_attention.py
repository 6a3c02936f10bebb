"""Multi-scale feature attention: gates on a feature vector, each seen through a coarser view of it."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepstack")
class FeatureAttention(keras.layers.Layer):
    """`y = x · (1 + Σ_s α_s · tanh(gate_s))`, one gate a scale s, the scales mixed by a softmax over s.

    At scale s the features are averaged in groups of s neighbours, squeezed through a small dense layer and expanded
    back to one gate a feature (squeeze and excitation, Hu et al. 2018, here on features instead of channels). The
    mixing weights α depend on the sample. Gates start at zero: the layer starts as the identity.

    Args:
        scales: group sizes; each must divide the number of features.
        reduction: the squeezed width is features / reduction, at least 4.
    """

    def __init__(self, scales: Sequence[int] = (1, 4, 16), reduction: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scales, self.reduction = tuple(scales), reduction

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the gates for `[batch, features]`."""
        features = int(input_shape[-1] or 0)
        wrong = [s for s in self.scales if features % s]
        if wrong:
            raise ValueError(f"attention scales {wrong} do not divide {features} features")
        squeezed = max(4, features // self.reduction)

        def dense(units: int, name: str, **options: Any) -> keras.layers.Dense:
            return keras.layers.Dense(units, dtype=self.dtype_policy, name=name, **options)

        self.squeeze = [dense(squeezed, f"squeeze_{s}", activation="relu") for s in self.scales]
        self.excite = [
            dense(features, f"excite_{s}", kernel_initializer="zeros", activation="tanh") for s in self.scales
        ]
        self.mix = dense(len(self.scales), "mix", activation="softmax", kernel_initializer="zeros")
        for scale, squeeze, excite in zip(self.scales, self.squeeze, self.excite, strict=True):
            squeeze.build((None, features // scale))
            excite.build((None, squeezed))
        self.mix.build((None, features))
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[batch, features]` to the same."""
        features = inputs.shape[-1]
        weights = self.mix(inputs)
        gate = tf.zeros_like(inputs)
        for i, scale in enumerate(self.scales):
            coarse = keras.ops.mean(keras.ops.reshape(inputs, (-1, features // scale, scale)), axis=2)
            gate += weights[:, i : i + 1] * self.excite[i](self.squeeze[i](coarse))
        return inputs * (1 + gate)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Scales and reduction."""
        return {**super().get_config(), "scales": list(self.scales), "reduction": self.reduction}
