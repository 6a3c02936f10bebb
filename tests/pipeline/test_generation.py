"""Paths of many wishes share a batch and come out as if each had it alone."""

import keras
import numpy as np
import pytest

from deepstack.artifact.stepper import Stepper, stepper_of
from deepstack.models.heads import binary_head
from deepstack.models.transformer.transformer_decoder import TransformerDecoderConfig, build
from deepstack.pipeline.generation import Generation, Wish, generated

BARS, FEATURES = 10, 4


@pytest.fixture(scope="module", params=[{"sines": False, "spans": (4,)}, {}], ids=["attention", "windows"])
def stepper(request: pytest.FixtureRequest) -> Stepper:
    keras.utils.set_random_seed(5)
    config = TransformerDecoderConfig(**request.param)
    return stepper_of(build({"features": (BARS, FEATURES)}, binary_head(), config))


def wish(seed: int, bars: int, paths: int) -> Wish:
    random = np.random.default_rng(seed)
    window = random.normal(size=(BARS, FEATURES)).astype(np.float32)
    return Wish(window, random.standard_normal((bars, paths, FEATURES), np.float32))


ASKED = [(1, 7, 3), (2, 2, 9), (3, 5, 1), (4, 1, 2)]


def test_others_in_the_batch_change_nothing(stepper: Stepper) -> None:
    alone = [generated(stepper, wish(*each)) for each in ASKED]
    together, ended = [wish(*each) for each in ASKED], []
    generation = Generation(stepper, rows=4)
    generation.add(together[0])
    generation.add(together[1])
    generation.advance()
    for late in together[2:]:
        generation.add(late)
    while not generation.is_idle:
        ended += generation.advance()
    assert set(map(id, ended)) == set(map(id, together))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.values, other, atol=1e-5, rtol=1e-5)


def test_a_short_wish_does_not_wait_for_a_long_one(stepper: Stepper) -> None:
    long, short = wish(1, 40, 3), wish(2, 2, 1)
    generation = Generation(stepper, rows=4)
    generation.add(long)
    generation.advance()
    generation.add(short)
    steps = 1
    while not short.is_done:
        generation.advance()
        steps += 1
    assert steps == 3
    assert not long.is_done


def test_no_wish_holds_more_rows_than_it_may(stepper: Stepper) -> None:
    wide, short = wish(1, 5, 30), wish(2, 1, 2)
    generation = Generation(stepper, rows=4, most_each=2)
    for one in (wide, short):
        generation.add(one)
    assert generation.advance() == [short]
    while not generation.is_idle:
        generation.advance()
    np.testing.assert_allclose(wide.values, generated(stepper, wish(1, 5, 30)), atol=1e-5, rtol=1e-5)


def test_more_paths_than_rows_come_in_as_others_leave(stepper: Stepper) -> None:
    asked = wish(6, 3, 11)
    np.testing.assert_allclose(
        generated(stepper, wish(6, 3, 11), most_rows=4), generated(stepper, asked, most_rows=64), atol=1e-5, rtol=1e-5
    )
