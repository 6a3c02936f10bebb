"""The residual block is its formula, starts as the identity and survives its config."""

import keras
import numpy as np

from deepstack.layers.residual_dense import ResidualDense


def test_starts_as_the_identity() -> None:
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    np.testing.assert_array_equal(ResidualDense(8, dropout=0.5)(x, training=True), x)


def test_formula() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 8)).astype("float32")
    block = ResidualDense(8)
    block.build((None, 8))
    gain, shift = rng.normal(size=(2, 8))
    block.norm_2.gamma.assign(gain)
    block.norm_2.beta.assign(shift)

    def norm(h: np.ndarray) -> np.ndarray:
        return (h - h.mean(0)) / np.sqrt(h.var(0) + block.norm_1.epsilon)

    w1, w2 = block.dense_1.kernel.numpy(), block.dense_2.kernel.numpy()
    expected = x + gain * norm(np.maximum(norm(x @ w1), 0) @ w2) + shift
    np.testing.assert_allclose(block(x, training=True), expected, atol=1e-4)


def test_weights_and_penalty() -> None:
    block = ResidualDense(8, l2=0.01)
    block.build((None, 8))
    assert [v.name for v in block.trainable_variables].count("kernel") == 2
    assert "bias" not in {v.name for v in block.variables}
    expected = 0.01 * sum(float(np.square(k.kernel.numpy()).sum()) for k in (block.dense_1, block.dense_2))
    np.testing.assert_allclose(float(sum(block.losses)), expected, rtol=1e-5)


def test_first_kernel_keeps_the_variance() -> None:
    """He et al. 2015: variance 2 / fan-in before a ReLU."""
    block = ResidualDense(256)
    block.build((None, 256))
    np.testing.assert_allclose(block.dense_1.kernel.numpy().var(), 2 / 256, rtol=0.05)


def test_config_round_trip() -> None:
    block = ResidualDense(8, dropout=0.1, l2=1e-4, momentum=0.9, name="block")
    again = ResidualDense.from_config(block.get_config())
    assert again.get_config() == block.get_config()
    assert isinstance(keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block)), ResidualDense)
