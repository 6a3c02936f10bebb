"""One step of a network with a short- and a long-term memory outside its controller, read and written by attention."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="deepstack")
class MemoryCell(keras.layers.Layer):
    """A cell for `keras.layers.RNN`: a GRU controller with two memories; output `[batch, 3 · units]`.

    Short-term memory holds the last `short_slots` states of the controller, first in, first out. Long-term memory is a
    matrix of `long_slots` rows that the controller writes by content, an erase and an add vector behind a gate, and
    reads by content (Graves, Wayne & Danihelka 2014, Neural Turing Machines, sections 3.1, 3.2 and 3.3.1). The output
    is the state beside what was read from both.

    Args:
        units: of the controller and of every row of both memories.
        short_slots, long_slots: rows.
    """

    def __init__(self, units: int, short_slots: int = 8, long_slots: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.short_slots, self.long_slots = units, short_slots, long_slots
        self.state_size = [units, 2 * units, short_slots * units, long_slots * units]
        self.output_size = 3 * units
        policy = {"dtype": self.dtype_policy}
        self.controller = keras.layers.GRUCell(units, name="controller", **policy)
        # Keys to read by (short, long), key to write by, erase, add; then two sharpnesses and the gate.
        self.interface = keras.layers.Dense(5 * units + 3, name="interface", **policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create controller, interface and the long-term memory's first content."""
        self.controller.build((input_shape[0], int(input_shape[-1] or 0) + 2 * self.units))
        self.interface.build((input_shape[0], self.units))
        self.first = self.add_weight((self.long_slots, self.units), "random_normal", name="first_memory")
        self.built = True

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Nothing seen, nothing read, an empty short-term memory, the learned first content of the long-term one."""
        zeros = [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_size[:3]]
        first = ops.reshape(ops.cast(self.first, self.compute_dtype), (1, -1))
        return [*zeros, ops.broadcast_to(first, (batch_size, self.state_size[3]))]

    def call(self, inputs: tf.Tensor, states: list[tf.Tensor], training: bool = False) -> tuple[Any, list[Any]]:
        """One step: think, write, read."""
        before, read, short, long = states
        state, _ = self.controller(ops.concatenate([inputs, read], axis=-1), [before], training=training)
        said, units = self.interface(state), self.units
        keys = [said[:, i * units : (i + 1) * units] for i in range(5)]
        sharp = 1.0 + ops.softplus(said[:, -3:-1])
        gate = ops.sigmoid(said[:, -1:])

        memory = ops.reshape(long, (-1, self.long_slots, units))
        where = (gate * by_content(keys[2], memory, sharp[:, :1]))[..., None]
        memory = memory * (1.0 - where * ops.sigmoid(keys[3])[:, None]) + where * ops.tanh(keys[4])[:, None]
        recent = ops.reshape(ops.concatenate([short[:, units:], state], axis=-1), (-1, self.short_slots, units))
        remembered = [
            recall(keys[0], recent, ops.ones_like(gate)),
            recall(keys[1], memory, sharp[:, 1:]),
        ]
        read = ops.concatenate(remembered, axis=-1)
        flat = [ops.reshape(rows, (-1, rows.shape[1] * units)) for rows in (recent, memory)]
        return ops.concatenate([state, read], axis=-1), [state, read, *flat]

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"units": self.units, "short_slots": self.short_slots, "long_slots": self.long_slots}
        return {**super().get_config(), **config}


def by_content(key: Any, rows: Any, sharpness: Any) -> Any:
    """Softmax over rows of sharpness · cosine similarity, [batch, rows]; in float32, where an empty row has a norm."""
    unit_key, unit_rows = (ops.normalize(ops.cast(part, "float32"), axis=-1, epsilon=1e-6) for part in (key, rows))
    likeness = ops.einsum("bu,bru->br", unit_key, unit_rows)
    return ops.cast(ops.softmax(ops.cast(sharpness, "float32") * likeness, axis=-1), key.dtype)


def recall(key: Any, rows: Any, sharpness: Any) -> Any:
    """What content addressing reads, [batch, units]."""
    return ops.einsum("br,bru->bu", by_content(key, rows, sharpness), rows)
