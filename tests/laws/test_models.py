"""The laws of models, over the whole catalogue."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.artifact.export import Decision, export_saved_model
from deepstack.config.training import TrainingConfig
from deepstack.models import catalogue
from deepstack.models.catalogue import MODELS
from deepstack.training.losses import binary_cross_entropy
from deepstack.training.precision import dtype_policy
from deepstack.training.prepare import Prepared, prepare

ROOT = Path(__file__).resolve().parents[2]
FEATURES, ROWS = 12, 64
SMALL: dict[str, dict[str, Any]] = {
    "ultimate": {
        "width": 16,
        "res_blocks_per_unit": [3],
        "dense_blocks_per_unit": [2, 1],
        "growth": 4,
        "attention_scales": [1, 4],
        "dropout": 0.0,
        "l2": 1e-5,
    },
    "sequential": {"layers": 10, "width": 16, "dropout": 0.0},
}
WITH_DROPOUT = {name: options | {"dropout": 0.2} for name, options in SMALL.items()}

over_models = pytest.mark.parametrize("name", MODELS)


def build(name: str, options: dict[str, dict[str, Any]] = SMALL) -> keras.Model:
    return catalogue.build(name, {"features": (FEATURES,)}, "binary", options[name])


def batch() -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    """One step's batch, [1, rows, …]."""
    x = np.random.default_rng(0).normal(size=(1, ROWS, FEATURES)).astype(np.float32)
    y = (x[:, :, 0] * x[:, :, 1] + 0.5 * x[:, :, 2] > 0).astype(np.float32)
    return {"features": tf.constant(x)}, tf.constant(y), tf.ones((1, ROWS))


def ready(name: str, precision: str = "float32", options: dict[str, dict[str, Any]] = SMALL) -> Prepared:
    config = TrainingConfig(batch_size=ROWS, optimizer="sgd", learning_rate=0.02, jit_compile=False)
    keras.utils.set_random_seed(3)
    with dtype_policy(precision):
        strategy, make = tf.distribute.get_strategy(), partial(build, name, options)
        return prepare(make, config, binary_cross_entropy(), strategy, precision, ROWS, 3, None)


def test_every_model_has_a_small_size_here() -> None:
    assert set(SMALL) == set(MODELS)


@over_models
def test_it_gives_one_float32_logit_a_row(name: str) -> None:
    model = build(name, WITH_DROPOUT)
    assert model.output_shape == (None, 1)
    assert [tuple(tensor.shape) for tensor in model.inputs] == [(None, FEATURES)]
    logit = model({"features": np.zeros((5, FEATURES), np.float32)})
    assert (tuple(logit.shape), logit.dtype) == ((5, 1), tf.float32)
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)


@over_models
def test_steps_lower_the_loss_of_a_fixed_batch(name: str) -> None:
    run = ready(name)
    objectives = [float(run.train_step(batch()).numpy()[2]) for _ in range(6)]
    assert objectives == sorted(objectives, reverse=True)  # the first steps are the warm-up's
    assert objectives[-1] < objectives[0]


@over_models
def test_every_weight_has_a_finite_gradient(name: str) -> None:
    model = build(name, WITH_DROPOUT)
    x, y, _ = batch()
    with tf.GradientTape() as tape:
        outputs = model({"features": x["features"][0]}, training=True)
        loss = tf.reduce_mean(binary_cross_entropy()(y[0], outputs))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient.numpy()).all(), weight.path
        assert tuple(gradient.shape) == tuple(weight.shape), weight.path


@over_models
def test_a_seed_fixes_the_weights(name: str) -> None:
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(build(name, WITH_DROPOUT).get_weights())
    assert all(np.array_equal(one, two) for one, two in zip(weights[0], weights[1], strict=True))
    assert any(not np.array_equal(one, two) for one, two in zip(weights[0], weights[2], strict=True))


@over_models
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_it_steps_in_mixed_precision(name: str, precision: str) -> None:
    run = ready(name, precision, WITH_DROPOUT)
    before = [weight.numpy() for weight in run.model.trainable_weights]
    objectives = [float(run.train_step(batch()).numpy()[2]) for _ in range(3)]
    assert np.isfinite(objectives).all()
    assert {weight.dtype for weight in run.model.trainable_weights} == {"float32"}
    assert any(
        not np.array_equal(old, new.numpy()) for old, new in zip(before, run.model.trainable_weights, strict=True)
    )
    assert run.model({"features": np.zeros((2, FEATURES), np.float32)}).dtype == tf.float32


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[keras.Model, Path]]:
    """Name → a model after some steps, dropout on, and the folder with its three files."""
    found = {}
    for name in MODELS:
        run = ready(name, options=WITH_DROPOUT)
        for _ in range(4):
            run.train_step(batch())
        model = build(name, WITH_DROPOUT)
        model.set_weights(run.model.get_weights())
        folder = tmp_path_factory.mktemp(name)
        model.save(folder / "model.keras")
        model.save(folder / "model.h5", include_optimizer=False)
        nothing = (np.full(FEATURES, -9e9), np.full(FEATURES, 9e9), np.zeros(FEATURES), np.ones(FEATURES))
        decision = Decision(*(v.astype(np.float32) for v in nothing), None, 0.5)
        export_saved_model(folder / "served", model, decision, np.zeros((1, FEATURES), np.float32), name)
        found[name] = model, folder
    return found


def test_every_saved_form_predicts_the_same(trained: dict[str, tuple[keras.Model, Path]], tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(16, FEATURES)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    jobs = [
        (str(folder / file), str(tmp_path / "x.npy"), str(tmp_path / f"{name}.{file}.npy"))
        for name, (_, folder) in trained.items()
        for file in ("model.keras", "model.h5")
    ]
    job = json.dumps({"what": "models", "models": jobs})
    command = [sys.executable, str(ROOT / "tests/artifact/load_fresh.py"), job]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, (model, folder) in trained.items():
        wanted = model({"features": x}, training=False).numpy()
        assert wanted.std() > 1e-3
        for file in ("model.keras", "model.h5"):
            np.testing.assert_allclose(np.load(tmp_path / f"{name}.{file}.npy"), wanted, atol=1e-5)
        served = tf.saved_model.load(str(folder / "served")).signatures["serving_default"](features=tf.constant(x))
        np.testing.assert_allclose(served["probability"], tf.sigmoid(wanted[:, 0]), atol=1e-5)


def test_two_devices_share_a_step() -> None:
    command = [sys.executable, str(ROOT / "tests/laws/run_mirrored.py"), json.dumps(WITH_DROPOUT)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(told) == set(MODELS)
    for line in told.values():
        assert line["replicas"] == 2
        assert line["equal"]
        assert np.isfinite(line["objectives"]).all()
