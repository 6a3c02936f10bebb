"""The newest step is the last, and nothing else of the sequence is read."""

import numpy as np
import tensorflow as tf

from deepstack.layers.newest_step import NewestStep


def test_takes_the_last_step_and_reads_no_other() -> None:
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 5, 2)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = NewestStep(dtype="float64")(x)
    np.testing.assert_array_equal(y, x[:, 4])
    reads = np.abs(tape.gradient(y, x)).max(axis=(0, 2)) > 0.0
    assert reads.tolist() == [False] * 4 + [True]
    assert NewestStep().compute_output_shape((None, 5, 2)) == (None, 2)
