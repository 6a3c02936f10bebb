"""A kept step learns what a new one would have learned, and only a graph that is the same is kept."""

from unittest import mock

import keras
import numpy as np
import pytest

from deepstack.config.training import ScheduleConfig, TrainingConfig
from deepstack.models.heads import binary_head
from deepstack.samples.batches import Samples
from deepstack.training import prepare
from deepstack.training.fit import fit
from deepstack.training.objective import objective_of
from deepstack.training.resume import model_values
from deepstack.training.warm import Warm


def make_samples(rows):
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    won = x[:, 0] - x[:, 1] > 0
    y = np.stack([~won, won, *np.zeros((2, rows))], axis=1)[:, None].astype(np.float32)
    index = np.arange(rows)
    return tuple(
        Samples(x, index[p], y[p], np.ones((len(index[p]), 1), np.float32)) for p in (slice(100, rows), slice(0, 100))
    )


def make_model(dropout):
    inputs = keras.Input((4,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(16, activation="relu")(inputs))
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(x))


def train(folder, warm, *, rows=400, seed=5, dropout=0.2, **more):
    config = TrainingConfig(**{"batch_size": 64, "epochs": 2, "learning_rate": 0.02, **more})
    slot = warm and warm.slot(("net", dropout), binary_head(), config, None)
    samples = make_samples(rows)
    objective = objective_of(binary_head(), config)
    return fit(lambda: make_model(dropout), objective, *samples, config, seed=seed, folder=folder, warm=slot)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_a_kept_step_trains_as_a_new_one(tmp_path, compiled, schedule):
    warm = Warm()
    train(tmp_path / "first", warm, jit_compile=compiled)
    asked = {
        "rows": 500,
        "seed": 9,
        "learning_rate": 0.005,
        "epochs": 3,
        "jit_compile": compiled,
        "schedule": ScheduleConfig(kind=schedule),
    }
    with mock.patch.object(prepare, "make_train_step", side_effect=AssertionError("compiled again")):
        kept = train(tmp_path / "kept", warm, **asked)
    new = train(tmp_path / "new", None, **asked)
    for ours, theirs in zip(model_values(kept.model), model_values(new.model), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert [row["lr"] for row in kept.history] == [row["lr"] for row in new.history]
    assert [row["val_loss"] for row in kept.history] == pytest.approx(
        [row["val_loss"] for row in new.history], abs=1e-6
    )


@pytest.mark.parametrize("other", [{"dropout": 0.3}, {"optimizer": "sgd"}, {"batch_size": 32}, {"clip_norm": None}])
def test_another_graph_is_compiled(tmp_path, other):
    warm = Warm()
    train(tmp_path / "first", warm)
    with (
        mock.patch.object(prepare, "make_train_step", side_effect=AssertionError("compiled again")),
        pytest.raises(AssertionError, match="compiled again"),
    ):
        train(tmp_path / "second", warm, **other)


def test_the_least_recently_used_is_forgotten(tmp_path):
    warm = Warm(most=2)
    for dropout in (0.1, 0.2, 0.1, 0.3):
        train(tmp_path, warm, dropout=dropout, epochs=1, jit_compile=False)
    with mock.patch.object(prepare, "make_train_step", side_effect=AssertionError("compiled again")):
        train(tmp_path, warm, dropout=0.1, epochs=1, jit_compile=False)
        with pytest.raises(AssertionError, match="compiled again"):
            train(tmp_path, warm, dropout=0.2, epochs=1, jit_compile=False)
