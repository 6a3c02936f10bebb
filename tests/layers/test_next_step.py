"""Foreseeing the next step is a normal log-likelihood, and least where the truth is."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from deepstack.layers.next_step import KeepForeseeing, NextStepNll, next_step_nll

TIME, FEATURES = 6, 3


def sequence() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, TIME, FEATURES)).astype("float32")


def foreseen() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, TIME, 2 * FEATURES)).astype("float32")


def test_equals_the_normal_log_likelihood() -> None:
    x, said = sequence(), foreseen()
    mean, deviation = said[:, :-1, :FEATURES], np.exp(0.5 * said[:, :-1, FEATURES:])
    expected = -stats.norm.logpdf(x[:, 1:], mean, deviation).mean(axis=(1, 2)) - 0.5 * np.log(2.0 * np.pi)
    np.testing.assert_allclose(next_step_nll(x, said), expected, rtol=1e-5)
    np.testing.assert_allclose(NextStepNll()(x, said), expected[:, None], rtol=1e-5)


def test_each_step_is_judged_by_the_one_after_it() -> None:
    x, said = tf.constant(sequence()), tf.constant(foreseen())
    with tf.GradientTape() as tape:
        tape.watch([x, said])
        loss = tf.reduce_sum(next_step_nll(x, said))
    of_x, of_said = (np.abs(g).max(axis=(0, 2)) > 0.0 for g in tape.gradient(loss, [x, said]))
    assert of_x.tolist() == [False] + [True] * (TIME - 1)  # nothing foresaw the first step
    assert of_said.tolist() == [True] * (TIME - 1) + [False]  # nothing follows the last


def test_least_at_the_true_mean_and_variance() -> None:
    x = np.random.default_rng(0).normal(2.0, 0.5, (200, 50, 1)).astype("float32")

    def loss(mean: float, deviation: float) -> float:
        said = np.broadcast_to(np.array([mean, 2.0 * np.log(deviation)], "float32"), (200, 50, 2))
        return float(np.mean(next_step_nll(x, said)))

    best = loss(2.0, 0.5)
    assert best == pytest.approx(0.5 + np.log(0.5), abs=0.02)
    for mean, deviation in ((1.9, 0.5), (2.1, 0.5), (2.0, 0.45), (2.0, 0.55)):
        assert loss(mean, deviation) > best


def test_a_variance_beyond_all_bounds_stays_finite() -> None:
    said = np.concatenate([sequence() + 1.0, np.full((4, TIME, FEATURES), -1e4)], axis=-1).astype("float32")
    assert np.isfinite(next_step_nll(sequence(), said)).all()


def test_fine_tuning_passes_on_what_was_foreseen_and_adds_its_loss_in_training_alone() -> None:
    layer, x, said = KeepForeseeing(0.25), sequence(), foreseen()
    np.testing.assert_array_equal(layer(x, said), said)
    assert layer.losses == []
    np.testing.assert_array_equal(layer(x, said, training=True), said)
    np.testing.assert_allclose(layer.losses[0], 0.25 * np.mean(next_step_nll(x, said)), rtol=1e-6)
    assert KeepForeseeing.from_config(layer.get_config()).weight == 0.25
