"""A trained model as plain TensorFlow operations for inference."""

from collections.abc import Callable

import keras
import tensorflow as tf

from deepstack.artifact import fold_attention  # its rules
from deepstack.artifact.fold import Drop, Hold, fold, none_dropped

__all__ = ["fold_attention", "folded_call"]


def folded_call(
    model: keras.Model, hold: Hold, drop: Drop = none_dropped
) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """The model's inference as a function that adds only few, fusable operations to a graph.

    Layers without a rule in `fold` and `fold_attention` run as they are, with `training=False`.

    Args:
        model: a trained functional model.
        hold: wraps each folded weight.
        drop: called wherever the network has dropout, inside layers without a rule too, but not inside loops.
    """
    ops = {
        op.name: folded_call(op, hold, drop) if isinstance(op, keras.Model) else fold(op, hold, drop)
        for op in model.operations
        if not isinstance(op, keras.layers.InputLayer)
    }

    def call(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        # Keras hands masks along with the tensors; nothing here has any.
        return model._run_through_graph(inputs, operation_fn=lambda op: lambda *tensors, **_: ops[op.name](*tensors))

    return call
