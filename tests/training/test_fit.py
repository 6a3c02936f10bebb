"""The whole training: it learns, keeps the best epoch, feeds callbacks, and stops where it must."""

import csv
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.config.samples import AugmentConfig
from deepstack.config.training import TrainingConfig
from deepstack.errors import ConfigError
from deepstack.models.heads import Head, binary_head
from deepstack.samples.augment import make_augment
from deepstack.samples.batches import Samples
from deepstack.samples.windows import Windows
from deepstack.training.epoch import DivergedError
from deepstack.training.fit import fit
from deepstack.training.objective import objective_of
from deepstack.training.resume import model_values
from deepstack.training.strategy import require_one_clock


def make_samples(rows=600, noise=0.2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    won = x[:, 0] - x[:, 1] + noise * rng.normal(size=rows) > 0
    y = np.stack([~won, won, *np.zeros((2, rows))], axis=1)[:, None].astype(np.float32)
    weight, index = rng.uniform(0.5, 1.5, (rows, 1)).astype(np.float32), np.arange(rows)
    return tuple(Samples(x, index[part], y[part], weight[part]) for part in (slice(0, 400), slice(400, rows)))


def make_model():
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.1)(keras.layers.Dense(16, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, name="logit", dtype="float32")(x))


def train(folder, *, samples=None, model=make_model, head=None, seed=5, **more):
    passed = ("resume", "callbacks", "progress", "augment", "before_epoch")
    options = {key: more.pop(key) for key in passed if key in more}
    config = TrainingConfig(**{"batch_size": 64, "epochs": 6, "learning_rate": 0.02, **more})
    objective = objective_of(head or binary_head(), config)
    return fit(model, objective, *(samples or make_samples()), config, seed=seed, folder=folder, **options)


def test_it_learns_and_says_how(tmp_path):
    result = train(tmp_path)
    assert result.history[-1]["val_auc"] > 0.95
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert (result.steps, result.epochs, result.batch_size, result.precision) == (36, 6, 64, "float32")
    assert 0 < result.first_step_s < result.train_s
    assert result.samples_per_s > 0
    with (tmp_path / "training.csv").open() as file:
        written = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert written == result.history


def test_it_ends_when_its_time_is_up_and_a_resumed_run_has_no_more(tmp_path):
    result = train(tmp_path, epochs=3, minutes=1e-9)
    assert (result.steps, result.epochs, result.stopped_early) == (1, 1, True)
    assert result.history[0]["epoch"] == 1 and result.history[0]["samples_per_s"] > 0
    again = train(tmp_path, epochs=3, minutes=1e-9, resume=True)
    assert again.steps == 1
    whole = train(tmp_path / "whole", epochs=1, minutes=60.0)
    assert (whole.steps, whole.stopped_early) == (6, False)


def test_workers_whose_clocks_differ_are_given_no_time():
    several = mock.create_autospec(tf.distribute.MultiWorkerMirroredStrategy, instance=True)
    require_one_clock(several, None)
    with pytest.raises(ConfigError, match=r"training\.minutes"):
        require_one_clock(several, 1.0)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    one, two, other = (model_values(train(tmp_path, epochs=1, seed=seed).model) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_the_best_epoch_is_kept_when_the_others_are_worse(tmp_path):
    train_slice, validation = make_samples()
    opposite = Samples(validation.x, validation.index, validation.y[..., [1, 0, 2, 3]], validation.weight)
    result = train(tmp_path, samples=(train_slice, opposite), epochs=20, early_stopping_epochs=3)
    losses = [row["val_loss"] for row in result.history]
    assert result.stopped_early
    assert losses.index(min(losses)) == len(losses) - 4
    logits = result.model.predict(validation.x[validation.index], verbose=0)[:, 0].astype(np.float64)
    found = np.logaddexp(0, logits) - opposite.y[:, 0, 1] * logits
    assert np.average(found, weights=validation.weight[:, 0]) == pytest.approx(min(losses), rel=1e-5)


def test_callbacks_see_the_run_and_may_end_it(tmp_path):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, set(logs)))

        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, set(logs)))
            self.model.stop_training = epoch == 1

    told = []
    result = train(tmp_path, callbacks=[Watch()], progress=lambda *call: told.append(call[:3]), tensorboard=True)
    assert (result.epochs, result.stopped_early) == (2, True)
    assert seen[:2] == [(0, {"loss"}), (1, {"loss"})]
    assert {"loss", "val_loss", "val_auc", "lr", "seconds", "samples_per_s"} <= seen[-1][1]
    assert told == [("train", step, 36) for step in range(1, 13)]
    assert list((tmp_path / "tensorboard").rglob("events.*"))


def test_a_finished_run_resumes_to_its_end_and_another_run_is_refused(tmp_path):
    whole = train(tmp_path, epochs=2)
    again = train(tmp_path, epochs=2, resume=True)
    assert (again.steps, again.history) == (whole.steps, whole.history)
    assert all(np.array_equal(a, b) for a, b in zip(model_values(whole.model), model_values(again.model), strict=True))
    with pytest.raises(ConfigError, match="another run, at step 12"):
        train(tmp_path, epochs=3, resume=True)
    other_features = [Samples(part.x + 1.0, part.index, part.y, part.weight) for part in make_samples()]
    with pytest.raises(ConfigError, match="another run, at step 12"):
        train(tmp_path, samples=other_features, epochs=2, resume=True)


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_remedy(tmp_path):
    train_slice, validation = make_samples()
    x = train_slice.x.copy()
    x[7] = np.inf
    broken = Samples(x, train_slice.index, train_slice.y, train_slice.weight)
    with pytest.raises(DivergedError, match=r"training step \d: expected a finite loss, received nan .*learning_rate"):
        train(tmp_path, samples=(broken, validation))


@pytest.mark.parametrize("optimizer", ["adam", "lamb", "lion", "sgd"])
def test_every_optimizer_learns(tmp_path, optimizer):
    rate = 0.003 if optimizer == "lion" else 0.05
    result = train(tmp_path, optimizer=optimizer, learning_rate=rate, epochs=3, batch_size="auto", memory_gb=1e-5)
    assert result.history[-1]["val_loss"] < 0.6
    assert result.batch_size in (16, 32, 64)


def test_half_precision_computes_in_halves_and_returns_float32_logits(tmp_path):
    result = train(tmp_path, precision="mixed_float16", epochs=3)
    assert result.model.layers[1].compute_dtype == "float16"
    assert result.model.output.dtype == "float32"
    assert result.history[-1]["val_auc"] > 0.9
    assert keras.config.dtype_policy().name == "float32"


class Stop(keras.callbacks.Callback):
    """Ctrl-C in the ninth step, in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 9:
            raise KeyboardInterrupt


MOVES = Head("horizons", ("5min", "60min"), 3)


def make_moves(rows=800):
    """Windows and rows of a matrix; the newest row tells one horizon, the row of another input the other."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(rows + 3, 2)).astype(np.float32)
    slow = rng.normal(size=(rows, 1)).astype(np.float32)
    codes = np.digitize(np.stack([matrix[3:, 1], slow[:, 0]], axis=1), [-0.5, 0.5])
    y = np.concatenate([np.eye(3)[codes], np.zeros((rows, 2, 2))], axis=-1).astype(np.float32)
    x, index = {"fast": Windows(matrix, np.arange(3, rows + 3), 4), "slow": slow}, np.arange(rows)
    weight = np.tile(np.float32([0.25, 0.75]), (rows, 1))
    return tuple(Samples(x, index[part], y[part], weight[part]) for part in (slice(0, 600), slice(600, rows)))


def make_moves_model():
    inputs = {"fast": keras.Input((4, 2), name="fast"), "slow": keras.Input((1,), name="slow")}
    x = keras.layers.Concatenate()([keras.layers.Flatten()(inputs["fast"]), inputs["slow"]])
    return keras.Model(inputs, MOVES.outputs(keras.layers.Dense(32, activation="relu")(x)))


def test_several_inputs_and_outputs_are_learned_and_weighed_by_output(tmp_path):
    samples = make_moves()
    result = train(tmp_path, samples=samples, model=make_moves_model, head=MOVES, epochs=10)
    assert result.history[-1]["val_auc"] > 0.95
    validation = samples[1]
    inputs = {name: values[validation.index] for name, values in validation.x.items()}
    logits = result.model.predict(inputs, verbose=0).astype(np.float64)
    shares = np.log(np.exp(logits).sum(axis=-1)) - (logits * validation.y[..., :3]).sum(axis=-1)
    best = min(row["val_loss"] for row in result.history)
    assert (shares @ [0.25, 0.75]).mean() == pytest.approx(best, rel=1e-5)


def test_variation_is_of_training_alone_and_a_resumed_run_sees_the_same(tmp_path):
    def variation():
        return make_augment(AugmentConfig(transforms=("mixup", "noise"), share=1.0, noise=1.0), windows=False)

    plain = train(tmp_path / "plain", jit_compile=False)
    more = {"jit_compile": False, "checkpoint_every_steps": 4}
    whole = train(tmp_path / "whole", augment=variation(), **more)
    assert whole.history[0]["loss"] > plain.history[0]["loss"] + 0.02
    assert whole.history[-1]["val_auc"] > 0.9

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", augment=variation(), callbacks=[Stop()], **more)
    broken = train(tmp_path / "broken", augment=variation(), resume=True, **more)
    for one, other in zip(model_values(whole.model), model_values(broken.model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_happens_before_an_epoch_happens_once_an_epoch(tmp_path):
    called = []

    def before(model, epoch):
        called.append((epoch, int(model.optimizer.iterations)))

    more = {"before_epoch": before, "jit_compile": False, "checkpoint_every_steps": 1}
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, callbacks=[Stop()], **more)
    assert called == [(0, 0), (1, 6)]
    train(tmp_path, resume=True, **more)
    assert called == [(epoch, 6 * epoch) for epoch in range(6)]
