"""Weights that several functions have in common, written once."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_FUNCTION, _NODE = "__inference_held_weights_", "held_weight_"


class HeldVariables(keras.StatelessScope):
    """While a function is traced inside it, Keras' variables are the constants that `hold` makes of them."""

    def __init__(self, hold: Callable[[Any], tf.Tensor]) -> None:
        super().__init__()
        self._hold = hold
        self._held: dict[int, tf.Tensor] = {}

    def get_current_value(self, variable: keras.Variable) -> tf.Tensor:
        """Asked for by Keras wherever a variable is read."""
        if id(variable) not in self._held:
            with tf.init_scope():
                self._held[id(variable)] = self._hold(variable._value.numpy())
        return self._held[id(variable)]


class HeldOnce:
    """Functions with the tensors they capture in one more function, which all of them call.

    A SavedModel would hand captured tensors in as arguments of every call. Runtimes put a called function's body in its
    caller's place instead, so that a weight is a constant where it is used. Variables stay captured.

    TensorFlow copies a function into every graph that calls it, even indirectly, so zeros stand in for the weights
    until `put_weights` writes them into the SavedModel.

    Args:
        functions: concrete, of positional arguments, a dict out.

    Attributes:
        functions: the same ones; to be saved, as called here they compute with zeros.
    """

    def __init__(self, functions: Sequence[Any]) -> None:
        captured = [tensor for function in functions for tensor in function.captured_inputs]
        found = {id(tensor): tensor for tensor in captured if tensor.dtype != tf.resource}
        self._values = list(found.values())
        numbers = {key: number for number, key in enumerate(found)}

        @tf.function(input_signature=[], autograph=False)
        def held_weights() -> list[tf.Tensor]:
            return [
                tf.constant(np.zeros((), value.dtype.as_numpy_dtype), shape=value.shape, name=f"{_NODE}{number}")
                for number, value in enumerate(self._values)
            ]

        held = held_weights.get_concrete_function() if self._values else list
        self.functions = [_closed(function, numbers, held) for function in functions]

    def put_weights(self, graph: Any) -> None:
        """Put the captured values in their place, in a saved MetaGraphDef."""
        for function in graph.graph_def.library.function:
            if not function.signature.name.startswith(_FUNCTION):
                continue
            for node in function.node_def:
                if node.name.startswith(_NODE):
                    value = self._values[int(node.name.removeprefix(_NODE))]
                    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.numpy()))


def _closed(function: Any, numbers: dict[int, int], held: Callable[[], Any]) -> Any:
    specs, _ = function.structured_input_signature
    names = sorted(function.structured_outputs)

    @tf.function(input_signature=specs, autograph=False)
    def call(*inputs: Any) -> dict[str, tf.Tensor]:
        values = held()
        captured = [values[numbers[id(t)]] if id(t) in numbers else t for t in function.captured_inputs]
        outputs = function.inference_fn.call_flat(*tf.nest.flatten(inputs), *captured)
        return dict(zip(names, outputs, strict=True))

    return call
