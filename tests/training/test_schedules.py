"""Learning rates at the steps where their shape is known."""

import keras
import numpy as np
import pytest

from deepstack.config.training import ScheduleConfig, TrainingConfig
from deepstack.training.schedules import learning_rate_schedule, set_plateau


def rates(steps=100, **shape):
    config = TrainingConfig(epochs=10, learning_rate=0.2, schedule=ScheduleConfig(**shape))
    schedule = learning_rate_schedule(config, steps_per_epoch=10)
    return np.array([float(schedule(step)) for step in range(steps)])


def test_cosine_rises_linearly_then_falls_to_its_final_share():
    found = rates(101, kind="cosine", warmup_share=0.2, final_share=0.1)
    np.testing.assert_allclose(np.diff(found[:20]), 0.2 / 21, rtol=1e-4)
    assert found[20] == found.max() == pytest.approx(0.2)
    assert found[60] == pytest.approx(0.2 * 0.55, rel=1e-5)
    assert found[100] == pytest.approx(0.02)


def test_restarts_begin_again_and_last_twice_as_long():
    found = rates(kind="cosine_restarts", warmup_share=0.0, period_epochs=3)
    assert found[0] == found[30] == found[90] == pytest.approx(0.2)
    assert found[29] < 0.01
    assert found[89] < 0.01


def test_steps_multiply_by_the_factor():
    found = rates(kind="step", warmup_share=0.0, period_epochs=4, factor=0.5)
    np.testing.assert_allclose(found[[0, 39, 40, 79, 80]], [0.2, 0.2, 0.1, 0.1, 0.05], rtol=1e-6)


def test_a_plateau_stays_until_it_is_cut_and_keeps_its_floor():
    shape = ScheduleConfig(kind="plateau", warmup_share=0.0, factor=0.5, final_share=0.2)
    schedule = learning_rate_schedule(TrainingConfig(learning_rate=0.2, schedule=shape), 10)
    assert float(schedule(7)) == pytest.approx(0.2)
    set_plateau(schedule, shape, cuts=2)
    assert float(schedule(8)) == pytest.approx(0.05)
    set_plateau(schedule, shape, cuts=9)
    assert float(schedule(9)) == pytest.approx(0.04)


@pytest.mark.parametrize("kind", ["cosine", "plateau"])
def test_a_schedule_survives_serialisation(kind):
    schedule = learning_rate_schedule(TrainingConfig(schedule=ScheduleConfig(kind=kind)), 10)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert float(again(30)) == float(schedule(30))
