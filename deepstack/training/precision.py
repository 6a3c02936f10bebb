"""Number formats of the computation: which one `auto` means, and a global policy that is put back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

BFLOAT16_COMPUTE_CAPABILITY = (8, 0)
FLOAT16_COMPUTE_CAPABILITY = (7, 0)


def resolve_precision(name: str) -> str:
    """The Keras dtype policy for `training.precision`.

    `auto` is float32 on CPUs, where half precision is correct but no faster, and on GPUs without tensor cores;
    mixed_bfloat16 where every GPU computes in it (compute capability 8.0), else mixed_float16 (7.0).
    """
    if name != "auto":
        return name
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    capability = min((detail.get("compute_capability", (0, 0)) for detail in details), default=(0, 0))
    if capability >= BFLOAT16_COMPUTE_CAPABILITY:
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= FLOAT16_COMPUTE_CAPABILITY else "float32"


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Set Keras' global dtype policy inside the block; layers built there keep it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
