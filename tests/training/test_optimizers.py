"""Which weights decay, and that nothing is reduced twice."""

import keras
import numpy as np
import pytest

from deepstack.config.training import TrainingConfig
from deepstack.training.optimizers import loss_scale, make_optimizer
from deepstack.training.schedules import Level


def built(name, precision="float32"):
    layer = keras.layers.Dense(3, bias_initializer="ones")
    layer.build((None, 2))
    optimizer = make_optimizer(TrainingConfig(optimizer=name, weight_decay=0.5), Level(0.1), precision)
    optimizer.build(layer.trainable_variables)
    return layer, optimizer


@pytest.mark.parametrize("name", ["adam", "adamw", "lamb", "lion", "sgd"])
def test_a_gradient_of_zero_only_decays_kernels_and_only_where_the_optimizer_decays(name):
    layer, optimizer = built(name)
    before = layer.kernel.numpy()
    optimizer.apply([np.zeros((2, 3), np.float32), np.zeros(3, np.float32)], layer.trainable_variables)
    share = 1.0 - 0.1 * 0.5 if name in ("adamw", "lamb", "lion") else 1.0
    np.testing.assert_allclose(layer.kernel.numpy(), share * before, rtol=1e-5)
    np.testing.assert_array_equal(layer.bias.numpy(), 1.0)


def test_float16_scales_the_loss_and_skips_a_step_that_overflows():
    layer, optimizer = built("adamw", "mixed_float16")
    assert float(loss_scale(optimizer)) == 2.0**15
    before = layer.kernel.numpy()
    optimizer.apply([np.full((2, 3), np.inf, np.float32), np.zeros(3, np.float32)], layer.trainable_variables)
    np.testing.assert_array_equal(layer.kernel.numpy(), before)
    assert float(loss_scale(optimizer)) == 2.0**14
    assert float(loss_scale(built("adamw")[1])) == 1.0
