"""The same seed gives the same weights, whoever else draws from Python's generator."""

import random
import threading

import keras
import numpy as np

from deepstack.layers.default_seeds import own_seeds
from deepstack.layers.remat_scan import RematScan


def build() -> list[np.ndarray]:
    inputs = keras.Input((4,))
    x = inputs
    for _ in range(30):
        x = keras.layers.Dropout(0.1)(keras.layers.Dense(4)(x))
    x = RematScan(keras.Sequential([keras.layers.Dense(4)]), depth=3)(x)
    return [variable.numpy() for variable in keras.Model(inputs, x).weights]


def test_another_thread_that_draws_changes_nothing() -> None:
    keras.utils.set_random_seed(7)
    plain, done = build(), threading.Event()

    def draw() -> None:
        while not done.is_set():
            random.random()

    other = threading.Thread(target=draw)
    other.start()
    try:
        with own_seeds(7):
            beside = build()
    finally:
        done.set()
        other.join()
    assert len(plain) == len(beside) and all(np.array_equal(a, b) for a, b in zip(plain, beside, strict=True))


def test_keras_draws_from_the_shared_generator_again_afterwards() -> None:
    with own_seeds(3):
        pass
    random.seed(5)
    before = random.getstate()
    keras.random.SeedGenerator()
    assert random.getstate() != before
