"""The stack inside Keras' own training: fit, XLA, mixed precision, changing batch sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense

POLICIES = ["input", 3, "everything"]


def network(checkpoint: str | int = "input", dropout: float = 0.1, **kwargs) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8,))
    x = RematScan(ResidualDense(8, dropout=dropout, momentum=0.9), 8, checkpoint=checkpoint, **kwargs)(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(x))


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8)).astype("float32")
    return x, x[:, :1] * x[:, 1:2]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("checkpoint", POLICIES)
def test_fit_learns_and_moves_statistics(checkpoint: str | int, jit: bool) -> None:
    """`fit` passes no training flag: the stack takes it from Keras' call context."""
    model, (x, y) = network(checkpoint), data()
    model.compile(keras.optimizers.Adam(1e-2), "mse", jit_compile=jit)
    loss = model.fit(x, y, epochs=6, batch_size=32, verbose=0).history["loss"]
    assert loss[-1] < 0.9 * loss[0]
    states = {v.name: v.numpy() for v in model.layers[1]._state_stacks}
    moving_mean = next(value for name, value in states.items() if "moving_mean" in name)
    assert (np.abs(moving_mean).max(axis=1) > 0).all()
    generator = next(value for name, value in states.items() if "seed" in name)
    assert (generator[:, 1] == 18).all(), "one draw a step, seen twice"


@pytest.mark.slow
def test_policies_and_compilation_train_alike() -> None:
    x, y = data()

    def trained(checkpoint: str | int, jit: bool) -> np.ndarray:
        model = network(checkpoint)
        model.compile(keras.optimizers.SGD(1e-2), "mse", jit_compile=jit)
        model.fit(x, y, epochs=2, batch_size=32, verbose=0, shuffle=False)
        return model.predict(x, verbose=0)

    first = trained("input", False)
    for checkpoint, jit in (("input", True), (3, False), (3, True), ("everything", False), ("everything", True)):
        np.testing.assert_allclose(trained(checkpoint, jit), first, atol=2e-4)


@pytest.mark.parametrize("jit", [False, True])
def test_other_batch_sizes_after_training(jit: bool) -> None:
    model, (x, y) = network(), data()
    model.compile("sgd", "mse", jit_compile=jit)
    model.fit(x[:70], y[:70], batch_size=32, verbose=0)  # last batch of 6
    whole = model.predict(x, batch_size=96, verbose=0)
    for size in (1, 7, 50):
        np.testing.assert_allclose(model.predict(x, batch_size=size, verbose=0), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("checkpoint", POLICIES)
def test_mixed_precision(policy: str, checkpoint: str | int) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model, (x, y) = network(checkpoint), data()
        stack = model.layers[-2]
        assert stack.compute_dtype == policy.removeprefix("mixed_")
        assert {v.dtype for v in stack._weight_stacks} == {"float32"}
        model.compile(keras.optimizers.Adam(1e-2), "mse", jit_compile=checkpoint == "everything")
        loss = model.fit(x, y, epochs=6, batch_size=32, verbose=0).history["loss"]
        assert np.isfinite(loss).all() and loss[-1] < loss[0]
        assert stack(tf.zeros((2, 8), stack.compute_dtype)).dtype == stack.compute_dtype
    finally:
        keras.config.set_dtype_policy(before)


def test_unknown_batch_dimension_in_a_graph() -> None:
    model, (x, _) = network(), data()
    call = tf.function(model, input_signature=[tf.TensorSpec((None, 8))])
    np.testing.assert_allclose(call(x[:5]), model(x[:5]), atol=1e-5)
    np.testing.assert_allclose(call(x), model(x), atol=1e-5)


def test_frozen_stack_gets_no_gradient_and_keeps_its_weights() -> None:
    model, (x, y) = network(), data()
    stack = model.layers[1]
    stack.trainable = False
    before = [v.numpy() for v in stack._weight_stacks]
    model.compile(keras.optimizers.SGD(1e-2), "mse", jit_compile=False)
    model.fit(x, y, batch_size=32, verbose=0)
    for variable, value in zip(stack._weight_stacks, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
