"""The automatic batch size is the largest power of two within its bounds."""

import keras
import pytest

from deepstack.errors import ConfigError
from deepstack.training.batch_size import auto_batch_size, layer_output_bytes


def make_model():
    inputs = keras.Input((10,))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(20)(inputs)))


def test_memory_decides():
    model = make_model()
    weights_gb = 5 * 4 * model.count_params() / 1e9
    assert auto_batch_size(model, weights_gb + 100e-6, 10**6, 1, bytes_per_sample=1000) == 64
    assert auto_batch_size(model, weights_gb + 100e-6, 10**6, 3, bytes_per_sample=1000) == 3 * 64


def test_samples_decide():
    assert auto_batch_size(make_model(), 4.0, 300, 1, bytes_per_sample=1000) == 256
    assert auto_batch_size(make_model(), 4.0, 300, 2, bytes_per_sample=None) == 256


def test_nothing_fits():
    with pytest.raises(ConfigError, match="memory_gb"):
        auto_batch_size(make_model(), 1e-6, 300, 1, bytes_per_sample=1000)


def test_the_estimate_counts_every_layer_output_and_its_gradient():
    assert layer_output_bytes(make_model()) == 2 * 4 * (10 + 20 + 1)
