"""Stacks, their plain counterparts and the comparison of the two."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.remat_scan import RematScan


@dataclass
class Pair:
    """One network twice: `model` holds the engine, `plain` the same weights in an ordinary functional model."""

    scan: RematScan
    model: keras.Model
    plain: keras.Model

    def blocks(self) -> list[keras.Layer]:
        return self.plain.layers[1:]

    def stacked(self, values: dict[str, list], trainable: bool) -> list[np.ndarray]:
        """Per-block values, keyed by variable identity, in the layout of the engine's stacks."""
        kind = "trainable_variables" if trainable else "non_trainable_variables"
        per_block = [[values[id(v)] for v in getattr(block, kind)] for block in self.blocks()]
        return [np.stack(slices) for slices in zip(*per_block, strict=True)]


@pytest.fixture
def float64() -> Iterator[None]:
    """Keras in double precision."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(before)


@pytest.fixture
def pair() -> Callable[..., Pair]:
    """Build a `Pair` with every float weight perturbed, so that no gain is zero and no two blocks are alike."""

    def build(block: keras.Layer, depth: int, shape: tuple[int, ...], checkpoint: str | int = "input") -> Pair:
        keras.utils.set_random_seed(5)
        rng = np.random.default_rng(11)
        inputs = keras.Input(shape)
        scan = RematScan(block, depth, checkpoint=checkpoint)
        model = keras.Model(inputs, scan(inputs))
        for variable in scan.trainable_variables:
            variable.assign(variable.numpy() + 0.1 * rng.normal(size=variable.shape))
        return Pair(scan, model, scan.unroll())

    return build


@pytest.fixture
def gradients() -> Callable[..., dict]:
    """Output, total loss, gradients and new state of one training call, unlike weights on unlike outputs.

    `jit` None runs eagerly: a plain network of 20 blocks takes half a minute to trace.
    """

    def compute(model: keras.Model, x: np.ndarray, jit: bool | None = False) -> dict:
        rng = np.random.default_rng(3)
        target = tf.constant(rng.normal(size=x.shape), dtype=keras.config.floatx())

        def run(x: tf.Tensor) -> tuple:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = model(x, training=True)
                loss = tf.reduce_sum(tf.cast(y, target.dtype) * target) + sum(
                    (tf.cast(term, target.dtype) for term in model.losses), tf.zeros((), target.dtype)
                )
            weights = [v.value for v in model.trainable_variables]
            return y, loss, tape.gradient(loss, [x, *weights])

        if jit is not None:
            run = tf.function(run, jit_compile=jit)
        y, loss, (dx, *dw) = run(tf.constant(x, dtype=keras.config.floatx()))
        by_weight = {id(v): tf.convert_to_tensor(g).numpy() for v, g in zip(model.trainable_variables, dw, strict=True)}
        state = {id(v): v.numpy() for v in model.non_trainable_variables}
        return {"y": y.numpy(), "loss": loss.numpy(), "dx": dx.numpy(), "dw": by_weight, "state": state}

    return compute


@pytest.fixture
def assert_same(gradients: Callable) -> Callable[..., None]:
    """Engine and plain network agree in output, loss, every gradient and every statistic after a training call."""

    def check(pair: Pair, x: np.ndarray, tolerance: float, jit: bool = False) -> None:
        # Keras' own dropout draws other masks under XLA, so a compiled engine is compared with a compiled network.
        engine, plain = gradients(pair.model, x, jit), gradients(pair.plain, x, jit=jit or None)

        def close(received: np.ndarray, expected: np.ndarray, what: str) -> None:
            scale = max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(received, expected, rtol=0, atol=tolerance * scale, err_msg=what)

        for key in ("y", "loss", "dx"):
            close(engine[key], plain[key], key)
        for variable, expected in zip(pair.scan._weight_stacks, pair.stacked(plain["dw"], True), strict=True):
            assert len(x) == 1 or np.abs(expected).max() > 0, variable.path
            close(engine["dw"][id(variable)], expected, variable.path)
        for variable, expected in zip(pair.scan._state_stacks, pair.stacked(plain["state"], False), strict=True):
            close(engine["state"][id(variable)].astype(float), expected.astype(float), variable.path)

    return check
