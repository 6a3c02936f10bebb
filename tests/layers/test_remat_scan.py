"""The engine is the plain network: outputs, gradients, statistics, losses and optimizer steps agree."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense

POLICIES = ["input", 1, 3, 20, 50, "everything"]
FLOAT32 = 2e-4  # relative to the largest entry, over 20 blocks


def batch(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("checkpoint", POLICIES)
def test_equals_the_plain_network_in_float64(
    pair: Callable, assert_same: Callable, float64: None, checkpoint: str | int
) -> None:
    assert_same(pair(ResidualDense(8, dropout=0.2, l2=1e-3), 20, (8,), checkpoint), batch(16, 8), 1e-9)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("checkpoint", ["input", 7, "everything"])
def test_equals_the_plain_network_in_float32(
    pair: Callable, assert_same: Callable, checkpoint: str | int, jit: bool
) -> None:
    depth = 6 if jit else 20  # compiling the plain network takes half a minute at 20
    assert_same(pair(ResidualDense(8, dropout=0.2), depth, (8,), checkpoint), batch(16, 8), FLOAT32, jit=jit)


@pytest.mark.parametrize("checkpoint", ["input", 3, "everything"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_optimizer_steps_agree(pair: Callable, float64: None, optimizer: str, checkpoint: str | int) -> None:
    both = pair(ResidualDense(8, dropout=0.1, l2=1e-3), 20, (8,), checkpoint)
    x, y = batch(16, 8), batch(16, 8, seed=1)
    for model in (both.model, both.plain):
        chosen = keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": 1e-3}})
        model.compile(chosen, "mse", jit_compile=False, run_eagerly=model is both.plain)
    losses = [[model.train_on_batch(x, y) for _ in range(5)] for model in (both.model, both.plain)]
    np.testing.assert_allclose(*losses, rtol=1e-9)
    values = {id(v): v.numpy() for v in both.plain.variables}
    for stacks, trainable in ((both.scan._weight_stacks, True), (both.scan._state_stacks, False)):
        for variable, expected in zip(stacks, both.stacked(values, trainable), strict=True):
            np.testing.assert_allclose(variable.numpy(), expected, rtol=0, atol=1e-9, err_msg=variable.path)


@keras.saving.register_keras_serializable(package="deepstack-tests")
class AttentionBlock(keras.layers.Layer):
    """Pre-norm self-attention with dropout inside."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.norm = keras.layers.LayerNormalization()
        self.attention = keras.layers.MultiHeadAttention(2, 4, dropout=0.1)

    def build(self, shape: tuple) -> None:
        self.norm.build(shape)
        self.attention.build(shape, shape)
        self.built = True

    def call(self, x, training=False):
        h = self.norm(x)
        return x + self.attention(h, h, training=training)


@keras.saving.register_keras_serializable(package="deepstack-tests")
def spectral_like(kernel):
    """A penalty that is no sum over entries, so a stack must apply it slice by slice."""
    return 0.1 * keras.ops.sqrt(keras.ops.sum(keras.ops.square(kernel)))


@keras.saving.register_keras_serializable(package="deepstack-tests")
class PenalisedBlock(keras.layers.Layer):
    """A kernel penalty, an activity penalty and a loss of its own."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(
            6, activation="tanh", kernel_regularizer=keras.regularizers.L1L2(1e-3, 1e-2), activity_regularizer="l2"
        )
        self.gate = keras.layers.Dense(6, kernel_regularizer=spectral_like)

    def build(self, shape: tuple) -> None:
        self.dense.build(shape)
        self.gate.build(shape)
        self.built = True

    def call(self, x):
        h = self.dense(x)
        self.add_loss(0.3 * keras.ops.mean(keras.ops.square(h)))
        return x + h * self.gate(x)


def dense_norm_dropout() -> keras.Model:
    x = inputs = keras.Input((6,))
    x = keras.layers.Dense(12, activation="gelu")(x)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Dropout(0.3)(x)
    x = keras.layers.Dense(6)(x)
    return keras.Model(inputs, keras.layers.Add()([inputs, x]))


def convolution() -> keras.Model:
    x = inputs = keras.Input((10, 6))
    x = keras.layers.Conv1D(6, 3, padding="causal", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.ReLU()(x)
    x = CounterDropout(0.2)(x)
    x = keras.layers.SeparableConv1D(6, 3, padding="same")(x)
    return keras.Model(inputs, keras.layers.Add()([inputs, x]))


BLOCKS = {
    "dense": (lambda: keras.layers.Dense(6, activation="tanh"), (6,)),
    "functional": (dense_norm_dropout, (6,)),
    "attention": (AttentionBlock, (5, 6)),
    "convolution": (convolution, (10, 6)),
    "penalised": (PenalisedBlock, (6,)),
    "sequential": (lambda: keras.Sequential([keras.Input((6,)), keras.layers.Dense(6), keras.layers.ReLU()]), (6,)),
}


@pytest.mark.parametrize("checkpoint", ["input", 2, "everything"])
@pytest.mark.parametrize("name", BLOCKS)
def test_any_block(pair: Callable, assert_same: Callable, float64: None, name: str, checkpoint: str | int) -> None:
    block, shape = BLOCKS[name]
    assert_same(pair(block(), 5, shape, checkpoint), batch(7, *shape), 1e-9)


@pytest.mark.parametrize("name", BLOCKS)
def test_any_block_compiled(pair: Callable, assert_same: Callable, name: str) -> None:
    block, shape = BLOCKS[name]
    assert_same(pair(block(), 4, shape, "everything"), batch(7, *shape), FLOAT32, jit=True)


def test_losses_inside_the_block_are_counted_once(pair: Callable) -> None:
    both = pair(PenalisedBlock(), 5, (6,))
    x = batch(7, 6).astype("float32")
    both.model(x), both.plain(x)
    assert float(sum(both.model.losses)) == pytest.approx(float(sum(both.plain.losses)), rel=1e-5)


@pytest.mark.parametrize("checkpoint", ["input", 3, "everything"])
def test_statistics_move_exactly_once_a_step(
    pair: Callable, gradients: Callable, float64: None, checkpoint: str | int
) -> None:
    """One call with momentum m moves a mean that was 0 to (1 - m) · batch mean; twice would give (1 - m²)."""
    both = pair(ResidualDense(4, momentum=0.75), 4, (4,), checkpoint)
    x = batch(32, 4)
    gradients(both.model, x)
    first_kernel, moving_mean = both.scan._weight_stacks[0].numpy()[0], both.scan._state_stacks[0].numpy()
    np.testing.assert_allclose(moving_mean[0], 0.25 * (x @ first_kernel).mean(0), rtol=1e-9)
    assert (np.abs(moving_mean).max(axis=1) > 0).all()


def test_inference_moves_nothing(pair: Callable) -> None:
    both = pair(ResidualDense(4, dropout=0.5), 4, (4,))
    before = [v.numpy() for v in both.scan._state_stacks]
    y = both.model.predict(batch(8, 4), verbose=0)
    np.testing.assert_allclose(y, both.plain.predict(batch(8, 4), verbose=0), atol=1e-5)
    for variable, value in zip(both.scan._state_stacks, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@keras.saving.register_keras_serializable(package="deepstack-tests")
class NoiseBlock(keras.layers.Layer):
    """Adds its mask to the input, so that the difference of two blocks shows their randomness."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.dropout = CounterDropout(0.5)
        self.built = True

    def call(self, x, training=False):
        return x + self.dropout(keras.ops.ones_like(x), training=training)


def test_masks_differ_between_blocks_and_between_calls() -> None:
    scan = RematScan(NoiseBlock(), 3)
    x = np.zeros((4, 500), "float32")
    first, second = scan(x, training=True).numpy(), scan(x, training=True).numpy()
    assert set(np.unique(first)) == {0.0, 2.0, 4.0, 6.0}, "three equal masks would give 0 and 6 only"
    assert np.mean(first != second) > 0.5


def test_called_twice_is_shared(pair: Callable, float64: None) -> None:
    both = pair(ResidualDense(4, dropout=0.3), 3, (4,))
    inputs = keras.Input((4,))
    twice = keras.Model(inputs, both.scan(both.scan(inputs)))
    plain = keras.Model(inputs, both.plain(both.plain(inputs)))
    x = batch(8, 4)
    np.testing.assert_allclose(twice(x, training=True), plain(x, training=True), atol=1e-9)
    values = {id(v): v.numpy() for v in both.plain.variables}
    for variable, expected in zip(both.scan._state_stacks, both.stacked(values, False), strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 8), (2, 8), (37, 8)])
def test_any_batch_size(pair: Callable, assert_same: Callable, float64: None, shape: tuple[int, int]) -> None:
    assert_same(pair(ResidualDense(8), 6, (8,), 4), batch(*shape), 1e-9)


def test_depth_one(pair: Callable, assert_same: Callable, float64: None) -> None:
    for checkpoint in ("input", 4, "everything"):
        assert_same(pair(ResidualDense(8), 1, (8,), checkpoint), batch(9, 8), 1e-9)


def test_depth_and_checkpoint_are_checked() -> None:
    with pytest.raises(ValueError, match="depth"):
        RematScan(ResidualDense(4), 0)
    for wrong in ("all", 0, -2, 1.5, True):
        with pytest.raises(ValueError, match="checkpoint"):
            RematScan(ResidualDense(4), 2, checkpoint=wrong)


def test_a_block_that_changes_the_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        RematScan(keras.layers.Dense(5), 3)(np.zeros((2, 4), "float32"))


def test_same_seed_same_weights() -> None:
    def weights(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        scan = RematScan(ResidualDense(8, dropout=0.1), 4)
        scan.build((None, 8))
        return [v.numpy() for v in scan.variables]

    for a, b in zip(weights(1), weights(1), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(weights(1)[0] - weights(2)[0]).max() > 0


def test_config_round_trip() -> None:
    scan = RematScan(ResidualDense(8, dropout=0.1, l2=1e-4, momentum=0.9), 4, checkpoint=2, name="stack")
    again = RematScan.from_config(scan.get_config())
    assert again.get_config() == scan.get_config()
