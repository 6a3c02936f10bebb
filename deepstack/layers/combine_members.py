"""Members' answers as one: a settled combiner as a layer, or shares that are trained with the members."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras
from keras import ops

SMALLEST = 1e-6


@keras.saving.register_keras_serializable("deepstack")
class CombineMembers(keras.layers.Layer):
    """Logits of several members → logits of the ensemble, for each output by itself.

    Input: a list of float32 [batch, outputs, classes or 1 logit], one a member. Output: the same shape. Probabilities
    are put back to the priors (`offset`) before they are combined and away from them afterwards, so that whoever adds
    the offset to the output, as heads do, has what was combined.

    Args:
        kind: `shares`, a mean weighted by the softmax of `share_logits`; `votes`, each member's for its likeliest
            class; `layers`, dense layers with tanh between on all log-probabilities.
        units: hidden units of `layers`, none for one layer.
        learn: whether `share_logits` are trained with the members.
    """

    def __init__(self, kind: str, units: Sequence[int] = (), learn: bool = False, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **{key: value for key, value in kwargs.items() if key != "dtype"})
        self.kind, self.hidden, self.learn = kind, tuple(units), learn

    def build(self, shapes: Sequence[tuple[int | None, ...]]) -> None:
        members, (outputs, logits) = len(shapes), [int(size or 0) for size in shapes[0][1:]]
        classes = 2 if logits == 1 else logits
        self.offset = self.add_weight(shape=(outputs, logits), initializer="zeros", trainable=False, name="offset")
        self.share_logits = self.add_weight(
            shape=(outputs, members), initializer="zeros", trainable=self.learn, name="share_logits"
        )
        widths = [members * classes, *self.hidden, classes] if self.kind == "layers" else []
        self.kernels = [
            self.add_weight(shape=(outputs, a, b), initializer="zeros", trainable=False, name=f"kernel_{k}")
            for k, (a, b) in enumerate(pairwise(widths))
        ]
        self.biases = [
            self.add_weight(shape=(outputs, b), initializer="zeros", trainable=False, name=f"bias_{k}")
            for k, b in enumerate(widths[1:])
        ]

    def call(self, members: Sequence[Any]) -> Any:
        each = ops.stack([self._probability(logits + self.offset) for logits in members], axis=1)
        return self._logits(self._combined(each)) - self.offset

    def _combined(self, each: Any) -> Any:
        """[batch, members, outputs, classes] → [batch, outputs, classes]."""
        shares = ops.softmax(self.share_logits, axis=-1)
        if self.kind == "shares":
            return ops.einsum("bmoc,om->boc", each, shares)
        _, members, _, classes = each.shape
        if self.kind == "votes":
            votes = ops.one_hot(ops.argmax(each, axis=-1), classes, dtype="float32")
            voters = ops.sum(ops.cast(shares > SMALLEST, "float32"), axis=-1)[None, :, None]
            return (voters * ops.einsum("bmoc,om->boc", votes, shares) + 1.0) / (voters + classes)
        x = ops.log(ops.maximum(each, SMALLEST))
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, each.shape[2], members * classes))
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            x = ops.einsum("boi,oiu->bou", x, kernel) + bias
            x = x if number == len(self.kernels) - 1 else ops.tanh(x)
        return ops.softmax(x, axis=-1)

    def _probability(self, logits: Any) -> Any:
        if logits.shape[-1] > 1:
            return ops.softmax(logits, axis=-1)
        won = ops.sigmoid(logits)
        return ops.concatenate([1.0 - won, won], axis=-1)

    def _logits(self, probability: Any) -> Any:
        logs = ops.log(ops.clip(probability, 1e-7, 1.0))
        return logs if self.offset.shape[-1] > 1 else logs[..., 1:] - logs[..., :1]

    def compute_output_shape(self, shapes: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return tuple(shapes[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "units": list(self.hidden), "learn": self.learn}
