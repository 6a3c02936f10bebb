"""Where the default seeds of a network come from, so that the same seed gives the same weights."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras.src.random import seed_generator


@contextmanager
def own_seeds(seed: int) -> Iterator[None]:
    """Seed everything, and let the networks built inside draw their default seeds from a generator of their own.

    Keras draws them from Python's global generator, in which every thread has a hand: a heartbeat of a Dask worker
    between two layers would give other weights. The draws are those that `keras.utils.set_random_seed` gives when
    nobody else draws. Nothing public leads to where Keras draws from.

    Args:
        seed: from 0 on, less than 2**32.
    """
    keras.utils.set_random_seed(seed)
    shared = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = shared


def default_seeds(count: int) -> list[int]:
    """Seeds as Keras draws them for layers that are given none."""
    return [seed_generator.python_random.randrange(2**31) for _ in range(count)]
