"""The laws of saved models, over the whole catalogue: every form says the same, in Keras, TensorFlow and C."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import FEATURES, WITH_DROPOUT, build, fill_memory, inputs_of, shapes
from tensorflow.core.protobuf import saved_model_pb2

from deepstack.artifact.export import Decision, export_saved_model
from deepstack.audit.network import steady
from deepstack.config.features import FeaturesConfig
from deepstack.features.scale import fit_scaler
from deepstack.models.catalogue import MODELS
from deepstack.models.heads import binary_head
from deepstack.models.inputs import WHEN
from deepstack.serving.session_config import read_session_config

ROOT = Path(__file__).resolve().parents[2]


def move(model: keras.Model) -> None:
    """Other values everywhere, as training would leave them: a variance stays positive, a counter as it is."""
    random = np.random.default_rng(0)
    for variable in model.variables:
        if variable.dtype == "float32":
            moved = variable.numpy() + 0.1 * random.normal(size=variable.shape)
            variable.assign(np.abs(moved) if "variance" in variable.path else moved)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[keras.Model, Path]]:
    """Name → a model whose every weight and statistic has moved, and the folder with its three files."""
    found = {}
    for name in MODELS:
        keras.utils.set_random_seed(0)
        model = build(name, WITH_DROPOUT)
        move(model)
        steady(model, inputs_of(name, 8))
        if MODELS[name].when:
            fill_memory(model)
        folder = tmp_path_factory.mktemp(name)
        model.save(folder / "model.keras")
        model.save(folder / "model.h5", include_optimizer=False)
        examples = inputs_of(name, 2)
        scaler = fit_scaler(np.random.default_rng(2).normal(size=(500, FEATURES)).astype(np.float32), FeaturesConfig())
        scalers = {key: scaler for key in shapes(name) if key != WHEN}
        decision = Decision(scalers, binary_head(), None, (0.5,))
        export_saved_model(folder / "served", model, decision, examples, name)
        found[name] = model, folder
    return found


def test_every_saved_form_predicts_the_same(trained: dict[str, tuple[keras.Model, Path]], tmp_path: Path) -> None:
    jobs = []
    for name, (_, folder) in trained.items():
        np.savez(tmp_path / f"{name}.npz", **inputs_of(name, 16, seed=1))
        jobs += [
            (str(folder / file), str(tmp_path / f"{name}.npz"), str(tmp_path / f"{name}.{file}.npy"))
            for file in ("model.keras", "model.h5")
        ]
    job = json.dumps({"what": "models", "models": jobs})
    command = [sys.executable, str(ROOT / "tests/artifact/load_fresh.py"), job]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scaler = fit_scaler(np.random.default_rng(2).normal(size=(500, FEATURES)).astype(np.float32), FeaturesConfig())
    for name, (model, folder) in trained.items():
        inputs = inputs_of(name, 16, seed=1)
        wanted = model(inputs, training=False).numpy()
        assert wanted.std() > 1e-3
        for file in ("model.keras", "model.h5"):
            np.testing.assert_allclose(np.load(tmp_path / f"{name}.{file}.npy"), wanted, atol=1e-5)
        serve = tf.saved_model.load(str(folder / "served")).signatures["serving_default"]
        served = serve(**{key: tf.constant(values) for key, values in inputs.items()})
        scaled = {
            key: values
            if key == WHEN
            else scaler.transform(values.reshape(-1, FEATURES)).reshape(values.shape).astype(np.float32)
            for key, values in inputs.items()
        }
        wanted = tf.sigmoid(model(scaled, training=False)[:, 0])
        np.testing.assert_allclose(served["probability"], wanted, atol=1e-5, err_msg=name)


def test_the_c_library_answers_every_servable_without_keras_as_deploy_sets_it(
    trained: dict[str, tuple[keras.Model, Path]], run_by_c_library: Callable[..., Any]
) -> None:
    asked = {
        folder / "served": {"serving_default": inputs_of(name, 8, seed=1)} for name, (_, folder) in trained.items()
    }
    found = run_by_c_library(asked, read_session_config().SerializeToString())
    for (name, (_, folder)), answers in zip(trained.items(), found, strict=True):
        serve = tf.saved_model.load(str(folder / "served")).signatures["serving_default"]
        wanted = serve(**{key: tf.constant(values) for key, values in inputs_of(name, 8, seed=1).items()})
        for key, values in answers["serving_default"].items():
            np.testing.assert_allclose(values, wanted[key], atol=1e-5, err_msg=f"{name} {key}")


RANDOM = ("Random", "StatelessRng", "Multinomial", "Bernoulli", "Shuffle", "RngSkip", "PyFunc", "XlaCallModule")


def test_every_servable_tells_its_doubt_and_none_draws_or_calls_python(
    trained: dict[str, tuple[keras.Model, Path]],
) -> None:
    for name, (_, folder) in trained.items():
        saved = saved_model_pb2.SavedModel.FromString((folder / "served" / "saved_model.pb").read_bytes())
        graph = saved.meta_graphs[0].graph_def
        ops = {node.op for function in graph.library.function for node in function.node_def}
        ops |= {node.op for node in graph.node}
        assert not [op for op in ops if any(word in op for word in RANDOM)], name
        loaded = tf.saved_model.load(str(folder / "served"))
        inputs = {key: tf.constant(values) for key, values in inputs_of(name, 8, seed=1).items()}
        assert {"serving_default", "predict_scaled", "classify", "regress"} <= set(loaded.signatures), name
        found = loaded.signatures["predict_uncertainty"](**inputs)
        assert np.isfinite(found["probability"]).all(), name
        assert np.mean(found["epistemic"]) > 1e-3, name
