"""A grown network answers what the shallow one answered, and goes on learning from there."""

import numpy as np
import pytest

from deepstack.models import catalogue
from deepstack.models.heads import binary_head
from deepstack.tuning.grow import grown, places

INPUTS = {"features": (6,)}


def build(blocks: list[int], width: int = 8):
    options = {"width": width, "res_blocks_per_unit": blocks, "dense_blocks_per_unit": [2], "attention_scales": [1, 4]}
    return catalogue.build("ultimate", INPUTS, binary_head(), options)


def with_trained_weights(model):
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.1 * np.abs(rng.normal(size=w.shape)).astype(w.dtype) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(("shallow", "deep"), [([1], [2]), ([3], [10]), ([2, 2], [5, 5])])
def test_a_deeper_stack_answers_as_the_shallow_one_did(shallow, deep):
    small = with_trained_weights(build(shallow))
    large = build(deep)
    large.set_weights(grown(large, small.get_weights()))
    x = np.random.default_rng(1).normal(size=(32, 6)).astype(np.float32)
    np.testing.assert_allclose(large.predict(x, verbose=0), small.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


def test_only_depth_may_differ_and_it_must():
    small = build([3]).get_weights()
    assert grown(build([3]), small) is None
    assert grown(build([2]), small) is None
    assert grown(build([5], width=16), small) is None
    assert grown(build([5]), small) is not None


@pytest.mark.parametrize(("shallow", "deep"), [(1, 1), (1, 9), (3, 4), (7, 500)])
def test_trained_blocks_keep_their_order_and_their_ends(shallow, deep):
    found = places(shallow, deep)
    assert len(set(found)) == shallow and list(found) == sorted(found)
    assert found[0] == 0 and (shallow == 1 or found[-1] == deep - 1)
