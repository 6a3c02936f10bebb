"""Early stopping and plateau cuts follow the validation loss."""

import json

from deepstack.config.training import ScheduleConfig, TrainingConfig
from deepstack.training.state import RunState


def run(losses, **config):
    state, better = RunState(), []
    for epoch, val_loss in enumerate(losses, 1):
        better.append(state.close_epoch({"epoch": epoch, "val_loss": val_loss}, TrainingConfig(**config)))
    return state, better


def test_training_stops_after_so_many_epochs_without_gain():
    state, better = run([0.7, 0.6, 0.61, 0.6], early_stopping_epochs=3)
    assert better == [True, True, False, False]
    assert (state.best_loss, state.best_epoch, state.epochs_without_gain, state.stopped) == (0.6, 2, 2, False)
    assert run([0.7, 0.6, 0.61, 0.6, 0.62], early_stopping_epochs=3)[0].stopped


def test_a_plateau_is_cut_every_so_many_epochs_without_gain():
    plateau = ScheduleConfig(kind="plateau", patience_epochs=2)
    losses = [0.7, 0.8, 0.8, 0.8, 0.8, 0.6, 0.8]
    assert run(losses, schedule=plateau, early_stopping_epochs=9)[0].plateau_cuts == 2
    assert run(losses, early_stopping_epochs=9)[0].plateau_cuts == 0


def test_the_epochs_loss_is_weighted_over_its_steps_and_begins_anew():
    state = RunState()
    state.add_step(loss_sum=3.0, weight_sum=10.0, seconds=0.1)
    state.add_step(loss_sum=1.0, weight_sum=2.0, seconds=0.1)
    assert state.loss == 4.0 / 12.0
    state.close_epoch({"epoch": 1, "val_loss": 0.5}, TrainingConfig())
    assert (state.loss, state.step) == (0.0, 2)


def test_json_keeps_every_bit():
    state = RunState(step=3, loss_sum=0.1 + 0.2, weight_sum=1 / 3, history=[{"epoch": 1, "loss": 1 / 7}])
    assert RunState.from_json(json.loads(json.dumps(state.to_json()))) == state
