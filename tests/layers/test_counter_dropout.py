"""The masks have the statistics of independent coin tosses and depend on key, call and position alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout

N = 1 << 18
ERRORS = 4.5  # standard errors; about one false alarm in 150,000 comparisons


def mask(key: int, call: int = 0, rate: float = 0.5, n: int = N) -> np.ndarray:
    """Kept positions of call number `call` of the generator with this key."""
    layer = CounterDropout(rate)
    layer.seed_generator.state.assign(np.array([key, call], "uint32"))
    return layer(np.ones((n // 64, 64), "float32"), training=True).numpy().ravel() > 0


def assert_uncorrelated(a: np.ndarray, b: np.ndarray) -> None:
    assert abs(np.corrcoef(a, b)[0, 1]) < ERRORS / np.sqrt(len(a))


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_keep_rate_and_mean(rate: float) -> None:
    kept = np.mean([mask(key, rate=rate).mean() for key in range(8)])
    assert abs(kept - (1 - rate)) < ERRORS * np.sqrt(rate * (1 - rate) / (8 * N))
    x = np.full((4096, 64), 3.0, "float32")
    y = CounterDropout(rate, seed=1)(x, training=True).numpy()
    np.testing.assert_allclose(np.unique(y), [0.0, 3.0 / (1 - rate)], rtol=1e-6)
    assert y.mean() == pytest.approx(3.0, rel=ERRORS * np.sqrt(rate / (1 - rate) / y.size))


@pytest.mark.parametrize("lag", [1, 2, 31, 32, 64, 128, 4096, 65536])
def test_positions_are_uncorrelated(lag: int) -> None:
    kept = mask(12345)
    assert_uncorrelated(kept[:-lag], kept[lag:])


@pytest.mark.parametrize("key", [0, 1, 2**31, 2**32 - 1])
def test_neighbouring_calls_and_keys_are_uncorrelated(key: int) -> None:
    kept = mask(key)
    for call in (1, 2, 256):
        assert_uncorrelated(kept, mask(key, call))
    for other in (1, 2, 255, 65536):
        assert_uncorrelated(kept, mask((key + other) % 2**32))
    assert_uncorrelated(kept, mask((key + 1) % 2**32, 1))


def test_no_call_is_a_shifted_copy_of_another() -> None:
    """A counter that only adds key and position would repeat itself at an offset."""
    a, b = mask(7, 0) * 2.0 - 1, mask(7, 1) * 2.0 - 1
    correlation = np.fft.ifft(np.fft.fft(a) * np.conj(np.fft.fft(b))).real / N
    assert np.abs(correlation).max() < 6.5 / np.sqrt(N)  # the largest of 2^18 normal values lies near 4.9


def test_runs_have_geometric_lengths() -> None:
    kept = mask(99)
    runs = np.diff(np.flatnonzero(np.diff(kept)))
    counts = np.bincount(runs, minlength=12)[1:12]
    expected = len(runs) * 0.5 ** np.arange(1, 12)
    chi2 = float((np.square(counts - expected) / expected).sum())
    assert chi2 < 40  # 11 terms: the 99.99 % point is 37


def test_same_state_same_mask_and_each_call_advances_it() -> None:
    layer, x = CounterDropout(0.5, seed=3), np.ones((64, 64), "float32")
    first = layer(x, training=True).numpy()
    second = layer(x, training=True).numpy()
    assert (first != second).mean() == pytest.approx(0.5, abs=0.05)
    again = CounterDropout(0.5, seed=3)
    np.testing.assert_array_equal(again(x, training=True), first)


def test_inference_and_rate_zero_pass_through() -> None:
    x = np.ones((4, 4), "float32")
    np.testing.assert_array_equal(CounterDropout(0.5)(x), x)
    np.testing.assert_array_equal(CounterDropout(0.0)(x, training=True), x)


def test_gradient_is_the_mask() -> None:
    layer, x = CounterDropout(0.25, seed=3), tf.random.normal((8, 8))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_allclose(tape.gradient(y, x), np.where(y.numpy() != 0, 1 / 0.75, 0), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtype_is_kept(dtype: str) -> None:
    y = CounterDropout(0.5, dtype=dtype)(tf.ones((3, 5, 7), dtype), training=True)
    assert y.dtype == dtype and y.shape == (3, 5, 7)


def test_compiled_equals_interpreted() -> None:
    layer, x = CounterDropout(0.5, seed=3), tf.ones((100, 64))
    state = layer.seed_generator.state.numpy()
    plain = tf.function(lambda: layer(x, training=True))().numpy()
    layer.seed_generator.state.assign(state)
    np.testing.assert_array_equal(tf.function(lambda: layer(x, training=True), jit_compile=True)(), plain)


def test_keras_seed_rules() -> None:
    def draw() -> np.ndarray:
        keras.utils.set_random_seed(4)
        return CounterDropout(0.5)(np.ones((8, 8), "float32"), training=True).numpy()

    np.testing.assert_array_equal(draw(), draw())


def test_rate_is_checked() -> None:
    for wrong in (-0.1, 1.0, 2.0):
        with pytest.raises(ValueError, match="rate"):
            CounterDropout(wrong)


def test_config_round_trip() -> None:
    layer = CounterDropout(0.3, seed=9)
    assert CounterDropout.from_config(layer.get_config()).get_config() == layer.get_config()
