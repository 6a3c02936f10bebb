"""A network at work: batch by batch, compiled for single samples, and read at one of its layers."""

from typing import Any

import keras
import numpy as np
import pytest

from deepstack.artifact.model import compiled_for_one, raw_outputs, up_to
from deepstack.models import catalogue
from deepstack.models.heads import Head, make_head
from deepstack.models.inputs import WHEN, input_shapes

FEATURES, BARS, ROWS = 6, 11, 21
MODELS: dict[str, dict[str, Any]] = {
    "ultimate": {"width": 16, "res_blocks_per_unit": [2], "dense_blocks_per_unit": [2], "growth": 4},
    "cnn1d": {"filters": [4, 4, 4], "units": 4},
    "tcn": {"filters": 4, "levels": 2},
    "residual_cnn1d": {"filters": [4], "blocks": [2]},
    "stacked_lstm": {"units": 4, "levels": 2},
    "attentive_lstm": {"units": 4},
    "episodic_memory": {"units": 4, "key_units": 4, "episodes": 8, "top": 2},
}
HEAD = make_head("horizons", ("5min", "15min"), 3, aleatoric=True)


def network(name: str, head: Head = HEAD) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """A model with weights a training could have left, and scaled inputs."""
    entry, random = catalogue.find(name), np.random.default_rng(3)
    timeframes = ("15min", "5min") if entry.sees == "timeframes" else ()
    shapes = input_shapes(entry.sees, FEATURES, BARS, timeframes, when=entry.when)
    keras.utils.set_random_seed(1)
    model = catalogue.build(name, shapes, head, MODELS[name])
    for weight in model.weights:
        if weight.name in ("gamma", "beta", "bias", "moving_mean", "moving_variance"):
            weight.assign(random.uniform(0.3, 1.0, weight.shape))
    if entry.when:
        memory = model.get_layer("recall")
        keys, known = random.normal(size=(8, 4)), random.random((8, memory.answers))
        memory.write(keys, known, np.arange(8), np.ones(8))
    x = {key: random.normal(size=(ROWS, *shape)).astype(np.float32) for key, shape in shapes.items()}
    return model, x | ({WHEN: np.arange(ROWS, dtype=np.int32)[:, None]} if entry.when else {})


@pytest.mark.parametrize("name", MODELS)
def test_a_network_compiled_for_one_answers_as_in_a_batch(name: str) -> None:
    model, x = network(name)
    batch, one = raw_outputs(model, x), compiled_for_one(model)
    assert batch.shape == (ROWS, 2, 4)
    assert batch.std(axis=0).min() > 1e-4
    for row in (0, 3, ROWS - 1):
        found = one({key: values[row : row + 1] for key, values in x.items()})
        np.testing.assert_allclose(found, batch[row : row + 1], atol=1e-5)


def test_the_size_of_a_batch_does_not_matter() -> None:
    model, x = network("cnn1d")
    whole = raw_outputs(model, x)
    for size in (1, 8, ROWS, 1000):
        np.testing.assert_allclose(raw_outputs(model, x, batch_size=size), whole, atol=1e-6)


def test_the_part_up_to_a_layer_is_what_the_whole_computes_there() -> None:
    model, x = network("attentive_lstm")
    summaries = raw_outputs(up_to(model, "timeframe_weights"), x)
    assert summaries.shape == (ROWS, 3)
    np.testing.assert_allclose(summaries.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(raw_outputs(up_to(model, model.layers[-1].name), x), raw_outputs(model, x))
