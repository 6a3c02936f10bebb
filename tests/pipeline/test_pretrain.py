"""What the first training of a generative model has learned is where the second begins."""

import keras
import numpy as np

from deepstack.artifact.model import raw_outputs, up_to
from deepstack.models import catalogue
from deepstack.models.heads import make_head
from deepstack.models.options import read_options
from deepstack.pipeline.beginning import with_weights

SHAPES = {"features": (6, 3)}
HEAD = make_head("horizons", ("5min", "15min"), 3)


def test_a_model_given_the_generators_weights_foresees_as_it_does() -> None:
    entry = catalogue.find("transformer_decoder")
    options = read_options(entry.config, {"depth": 1})
    assert entry.generator is not None
    keras.utils.set_random_seed(1)
    generator = entry.generator(SHAPES, options)
    keras.utils.set_random_seed(2)
    model = catalogue.build("transformer_decoder", SHAPES, HEAD, {"depth": 1})
    x = {"features": np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)}
    answers, foreseen = raw_outputs(model, x), raw_outputs(up_to(generator, "foreseen"), x)
    assert not np.allclose(raw_outputs(up_to(model, "foreseen"), x), foreseen, atol=1e-2)

    weights = {layer.name: layer.get_weights() for layer in generator.layers}
    head = model.get_layer("logit").get_weights()
    started = with_weights(model, weights)
    np.testing.assert_allclose(raw_outputs(up_to(started, "foreseen"), x), foreseen, atol=1e-5)
    for one, two in zip(started.get_layer("logit").get_weights(), head, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.allclose(raw_outputs(started, x), answers, atol=1e-2)
