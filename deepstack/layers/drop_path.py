"""Stochastic depth: a residual branch is dropped for whole samples."""

import keras
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout


@keras.saving.register_keras_serializable(package="deepstack")
class DropPath(CounterDropout):
    """Sets all of a sample to zero with probability `rate`, and scales the others up (Huang et al. 2016).

    Stands at the end of a residual branch; not to be confused with dropout, which drops single values.
    """

    def mask_shape(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[batch, 1, …]`."""
        return tf.concat([tf.shape(inputs)[:1], tf.ones(len(inputs.shape) - 1, tf.int32)], axis=0)
