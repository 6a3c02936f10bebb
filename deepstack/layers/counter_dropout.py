"""Dropout whose mask is a hash of (key, position): cheap inside a compiled loop and repeatable from its key."""

from typing import Any

import keras
import tensorflow as tf

_GOLDEN = 0x9E3779B9


def _hash32(x: tf.Tensor) -> tf.Tensor:
    """Mix uint32 so that every input bit reaches every output bit (Wellons' `lowbias32`, bias 0.17)."""
    shift, u32 = tf.bitwise.right_shift, lambda n: tf.constant(n, tf.uint32)
    x = tf.bitwise.bitwise_xor(x, shift(x, u32(16))) * u32(0x7FEB352D)
    x = tf.bitwise.bitwise_xor(x, shift(x, u32(15))) * u32(0x846CA68B)
    return tf.bitwise.bitwise_xor(x, shift(x, u32(16)))


@keras.saving.register_keras_serializable(package="deepstack")
class CounterDropout(keras.layers.Layer):
    """Inverted dropout drawn from a counter-based generator.

    `keras.layers.Dropout` draws Philox blocks with 64-bit state, which XLA:CPU runs some forty times slower than the
    matrix product beside it. Here element n of call c is dropped when `(hash(n) ^ k) · m mod 2^32` lies below the
    rate, with k and the odd m hashed from key and c. Only two operations depend on the call, so a loop computes
    `hash(n)` once for all its rounds, and the rest is cheap enough to be fused with the scaling. After Salmon et al.
    2011, "Parallel Random Numbers: As Easy as 1, 2, 3", with a 32-bit mixer over positions and the multiplicative
    hash of Dietzfelbinger et al. 1997 over calls; not for cryptography.

    The state is one uint32 pair `(key, calls)`, so a caller that holds the state can draw the same mask again.

    Args:
        rate: share of elements set to zero, in [0, 1).
        seed: key of the masks; drawn from Keras' global seed when None.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"rate must lie in [0, 1), received {rate}")
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drop and rescale in training; pass through otherwise. Any shape, any float dtype."""
        if not training or self.rate == 0.0:
            return inputs
        state = tf.cast(self.seed_generator.next(), tf.uint32)
        key = _hash32(state[0] + _hash32(state[1] + tf.constant(_GOLDEN, tf.uint32)))
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            key = _hash32(key + tf.cast(replica.replica_id_in_sync_group, tf.uint32))
        shape = self.mask_shape(inputs)
        position = _hash32(tf.reshape(tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32), shape))
        odd = tf.bitwise.bitwise_or(_hash32(key + tf.constant(_GOLDEN, tf.uint32)), tf.constant(1, tf.uint32))
        keep = tf.bitwise.bitwise_xor(position, key) * odd >= tf.constant(int(self.rate * 2**32), tf.uint32)
        return tf.where(keep, inputs * tf.constant(1 / (1 - self.rate), inputs.dtype), tf.zeros_like(inputs))

    def mask_shape(self, inputs: tf.Tensor) -> tf.Tensor:
        """Shape of what is drawn; where it is 1, neighbours are dropped together."""
        return tf.shape(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Rate and seed."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
