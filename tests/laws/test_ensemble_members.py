"""Every model of the catalogue is a part of an ensemble's one network, and says there what it says alone."""

import numpy as np
import pytest
import tensorflow as tf
from small_models import BARS, FEATURES, SMALL, TIMEFRAMES, fill_memory

from deepstack.artifact.folded import folded_call
from deepstack.config.model import ModelConfig
from deepstack.models import catalogue
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE, WHEN, input_shapes, inputs_of

HEAD = Head("horizons", ("5min", "15min"), 3)
ROWS = 3


@pytest.mark.parametrize("name", sorted(set(catalogue.MODELS) - {"ensemble"}))
def test_a_member_says_what_it_says_alone(name: str) -> None:
    other = "gru" if name != "gru" else "tcn"
    options = {"other_models": [name, other], "options": {key: SMALL[key] for key in (name, other)}}
    options |= {"ensemble_method": "mean"}
    line = catalogue.line_of(ModelConfig(name="ensemble", head="horizons", options=options))
    timeframes = TIMEFRAMES if line.sees == "timeframes" else ()
    shapes = input_shapes(line.sees, FEATURES, BARS, timeframes, when=line.when)
    network = catalogue.build("ensemble", shapes, HEAD, options)
    entry, member = catalogue.find(name), network.get_layer(f"{name}_0")
    if entry.when:
        fill_memory(member)

    random = np.random.default_rng(0)
    given = {
        key: np.full((ROWS, 1), 1000, np.int32)
        if key == WHEN
        else random.normal(size=(ROWS, *shape)).astype(np.float32)
        for key, shape in shapes.items()
    }
    seen = {key: given[key] for key in inputs_of(given, entry.sees, when=entry.when)}
    if entry.sees == "bar":
        seen[BASE] = given[BASE][:, -1]
    alone = catalogue.build(name, {key: values.shape[1:] for key, values in seen.items()}, HEAD, SMALL[name])
    alone.set_weights(member.get_weights())

    apart = [alone(seen), network.get_layer(f"{other}_0")({BASE: given[BASE]})]
    chances = np.mean([tf.nn.softmax(tf.reshape(one, (ROWS, 2, 3)), axis=-1) for one in apart], axis=0)
    together = network(given)
    np.testing.assert_allclose(HEAD.probabilities(np.asarray(together, np.float64), 0.0), chances, atol=1e-6)
    folded = folded_call(network, tf.constant)({key: tf.constant(values) for key, values in given.items()})
    np.testing.assert_allclose(folded, together, atol=2e-5)
