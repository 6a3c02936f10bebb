"""Weights that several functions have in common, written once."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


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


def held_once(functions: Sequence[Any]) -> list[Any]:
    """The same functions with the tensors they capture in one more function, which all of them call.

    A SavedModel would hand captured tensors in as arguments of every call. Runtimes put a called function's body in its
    caller's place instead, so that a weight is a constant where it is used. Variables stay captured.

    Args:
        functions: concrete, of positional arguments, a dict out.
    """
    captured = [tensor for function in functions for tensor in function.captured_inputs]
    values = {id(tensor): tensor for tensor in captured if tensor.dtype != tf.resource}
    numbers = {key: number for number, key in enumerate(values)}

    @tf.function(input_signature=[], autograph=False)
    def weights() -> list[tf.Tensor]:
        return [tf.constant(value.numpy()) for value in values.values()]

    held = weights.get_concrete_function() if values else list
    return [_closed(function, numbers, held) for function in functions]


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
