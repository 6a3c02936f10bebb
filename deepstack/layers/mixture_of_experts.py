"""A feed-forward layer of several experts, of which each step uses the best few."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="deepstack")
class MixtureOfExperts(keras.layers.Layer):
    """`y = Σ_e g_e(x) · W2_e gelu(W1_e x)`, g zero but for the `top` largest gates; `[…, width]` to the same.

    Every expert is computed for every step, so no step's answer depends on which others share its batch, as it does
    where experts have a limited room. The load-balancing
    loss, experts · Σ_e (share of steps whose first choice is e) · (mean gate of e), is 1 at balance and is added in
    training with its weight (Fedus, Zoph & Shazeer 2021, Switch Transformers, section 2.2).

    Args:
        experts: how many.
        hidden: units of each expert's inner layer.
        top: experts a step uses.
        balance: weight of the load-balancing loss.
    """

    def __init__(self, experts: int, hidden: int, top: int = 2, balance: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 1 <= top <= experts:
            raise ValueError(f"top must lie between 1 and {experts} experts, received {top}")
        self.experts, self.hidden, self.top, self.balance = experts, hidden, top, balance

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create router and experts."""
        width = int(input_shape[-1] or 0)
        self.router = keras.layers.Dense(self.experts, use_bias=False, dtype="float32", name="router")
        self.router.build(input_shape)
        self.inner = self.add_weight((self.experts, width, self.hidden), _fan_in(width), name="inner")
        self.outer = self.add_weight((self.experts, self.hidden, width), _fan_in(self.hidden), name="outer")
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Weigh the experts and add up what they say."""
        gates = ops.softmax(self.router(ops.cast(inputs, "float32")), axis=-1)
        if training:
            first = ops.one_hot(ops.argmax(gates, axis=-1), self.experts, dtype="float32")
            share, mean = (ops.mean(ops.reshape(part, (-1, self.experts)), axis=0) for part in (first, gates))
            self.add_loss(self.balance * self.experts * ops.sum(share * mean))
        chosen = ops.sum(ops.one_hot(ops.top_k(gates, self.top)[1], self.experts, dtype="float32"), axis=-2)
        kept = gates * chosen
        kept = ops.cast(kept / ops.sum(kept, axis=-1, keepdims=True), inputs.dtype)
        hidden = ops.gelu(ops.einsum("...w,ewh->...eh", inputs, self.inner), approximate=False)
        return ops.einsum("...eh,ehw->...w", hidden * kept[..., None], self.outer)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"experts": self.experts, "hidden": self.hidden, "top": self.top, "balance": self.balance}
        return {**super().get_config(), **config}


def _fan_in(units: int) -> keras.initializers.Initializer:
    """He's normal for one expert: Keras would take the experts for a part of the fan."""
    return keras.initializers.TruncatedNormal(stddev=(2.0 / units) ** 0.5)
