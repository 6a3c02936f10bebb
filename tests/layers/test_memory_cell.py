"""What was written under a key is read by it, the short-term memory forgets in order, and all of it can be learned."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.memory_cell import MemoryCell, by_content, recall

UNITS, SHORT, LONG = 4, 3, 5


def cell_of(seed: int = 0) -> MemoryCell:
    keras.utils.set_random_seed(seed)
    cell = MemoryCell(UNITS, SHORT, LONG)
    cell.build((None, 2))
    return cell


def says(cell: MemoryCell, **parts: object) -> None:
    """Let the interface say these parts whatever the controller's state; the sharpnesses are 1 + softplus."""
    order = ("read_short", "read_long", "write", "erase", "add")
    bias = np.zeros(5 * UNITS + 3)
    for i, name in enumerate(order):
        bias[i * UNITS : (i + 1) * UNITS] = parts.get(name, 0.0)
    bias[-3:-1], bias[-1] = parts.get("sharpness", 0.0), parts.get("gate", 0.0)
    cell.interface.set_weights([np.zeros(cell.interface.kernel.shape), bias])


def step(cell: MemoryCell, states: list | None = None, x: float = 0.0) -> tuple[np.ndarray, list]:
    states = cell.get_initial_state(1) if states is None else states
    output, states = cell(tf.fill((1, 2), x), states)
    return np.asarray(output)[0], states


def memory_of(states: list) -> np.ndarray:
    return np.asarray(states[3]).reshape(LONG, UNITS)


def test_content_addressing_is_a_softmax_of_cosines() -> None:
    random = np.random.default_rng(0)
    key, rows, sharpness = (
        random.normal(size=(3, UNITS)),
        random.normal(size=(3, LONG, UNITS)),
        np.array([[1.0], [5.0], [9.0]]),
    )
    cosine = np.einsum("bu,bru->br", key, rows) / np.linalg.norm(key, axis=1)[:, None] / np.linalg.norm(rows, axis=2)
    raised = np.exp(sharpness * cosine)
    weights = by_content(*(tf.constant(part) for part in (key, rows, sharpness)))
    np.testing.assert_allclose(weights, raised / raised.sum(axis=1, keepdims=True), atol=1e-6)
    exact = recall(tf.constant(rows[:, 2]), tf.constant(rows), tf.constant(np.full((3, 1), 1e4)))
    np.testing.assert_allclose(exact, rows[:, 2], atol=1e-6)


def test_a_value_written_under_a_key_is_read_by_that_key() -> None:
    """Two columns are keys and are not erased, two hold the value."""
    cell = cell_of()
    angle = np.linspace(0.0, np.pi, LONG)
    first = np.column_stack([np.cos(angle), np.sin(angle), np.zeros((LONG, 2))])
    cell.first.assign(first)
    key, value = first[3], np.array([0.0, 0.0, 0.1, -0.2])
    says(cell, write=key, read_long=key, erase=[-99, -99, 99, 99], add=np.arctanh(value), sharpness=2000.0, gate=99.0)
    output, states = step(cell)
    np.testing.assert_allclose(output[2 * UNITS :], key + value, atol=1e-4)
    expected = first.copy()
    expected[3] += value
    np.testing.assert_allclose(memory_of(states), expected, atol=1e-4)

    # Later, with the gate shut, it is still there, and another key finds another row.
    says(cell, read_long=key, sharpness=2000.0, gate=-99.0)
    output, states = step(cell, states)
    np.testing.assert_allclose(output[2 * UNITS :], key + value, atol=1e-4)
    says(cell, read_long=first[0], sharpness=2000.0, gate=-99.0)
    output, states = step(cell, states)
    np.testing.assert_allclose(output[2 * UNITS :], first[0], atol=1e-4)
    np.testing.assert_allclose(memory_of(states), expected, atol=1e-4)


def test_short_term_memory_is_first_in_first_out() -> None:
    cell, states, seen = cell_of(), None, []
    for x in range(5):
        output, states = step(cell, states, float(x))
        seen.append(output[:UNITS])
        recent = np.asarray(states[2]).reshape(SHORT, UNITS)
        expected = [np.zeros(UNITS)] * (SHORT - len(seen)) + seen[-SHORT:]
        np.testing.assert_allclose(recent, np.array(expected), atol=1e-6)


def test_what_is_read_reaches_the_next_step_and_the_output() -> None:
    cell = cell_of()
    output, states = step(cell)
    np.testing.assert_array_equal(output, np.concatenate([np.asarray(states[0])[0], np.asarray(states[1])[0]]))
    other = [states[0], states[1] + 1.0, *states[2:]]
    assert np.abs(step(cell, states)[0] - step(cell, other)[0]).max() > 1e-3


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 2))
    return keras.Model(inputs, keras.layers.RNN(MemoryCell(UNITS, SHORT, LONG), return_sequences=True)(inputs))


def test_every_weight_can_be_learned_through_both_memories(network: keras.Model) -> None:
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 6, 2)), tf.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(x)[:, -1] ** 2)
    gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0.0, variable.path
    bias = network.layers[-1].cell.interface.bias
    (of_bias,) = (g for v, g in zip(network.trainable_variables, gradients, strict=True) if v is bias)
    assert (np.abs(of_bias) > 0.0).all()  # every key, erase, add, sharpness and the gate


def test_a_step_sees_no_later_one(network: keras.Model) -> None:
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")
    other = x.copy()
    other[:, 4:] += 1.0
    np.testing.assert_array_equal(np.asarray(network(x))[:, :4], np.asarray(network(other))[:, :4])
    assert np.abs(np.asarray(network(x) - network(other))[:, 4:]).max() > 0.01
