"""A trained stack comes back from every format with the same predictions, in a process that never saw it."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("model.keras", "model.h5", "exported")


def network(checkpoint: str | int = "input") -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8)(inputs)
    x = RematScan(ResidualDense(8, dropout=0.2, l2=1e-4), 5, checkpoint=checkpoint, name="stack")(x)
    x = RematScan(functional_block(), 3, name="functional")(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def functional_block() -> keras.Model:
    x = inputs = keras.Input((8,))
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Dropout(0.1)(keras.layers.Dense(8, activation="relu")(x))
    return keras.Model(inputs, keras.layers.Add()([inputs, x]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained for two epochs, saved in every format and read back by another process."""
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 6)).astype("float32"), rng.normal(size=(64, 1)).astype("float32")
    model = network()
    model.compile("adam", "mse", jit_compile=False)
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    np.save(folder / "x.npy", x)
    np.save(folder / "expected.npy", model(x).numpy())
    model.save_weights(folder / "only.weights.h5")
    model.export(folder / "exported", verbose=False)
    model.save(folder / "model.keras")
    model.save(folder / "model.h5", include_optimizer=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("run_saved.py")), str(folder), *FORMATS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    np.save(folder / "expected.train.npy", model(x, training=True).numpy())
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_same_predictions_in_a_fresh_process(folder: Path, name: str) -> None:
    np.testing.assert_allclose(np.load(folder / f"{name}.npy"), np.load(folder / "expected.npy"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FORMATS[:2])
def test_random_state_is_saved_too(folder: Path, name: str) -> None:
    """The stack holds its blocks' generators as weights, so training goes on with the masks it would have drawn."""
    received, expected = np.load(folder / f"{name}.train.npy"), np.load(folder / "expected.train.npy")
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_weights_alone_fit_another_checkpoint_policy(folder: Path) -> None:
    model = network(checkpoint="everything")
    model.load_weights(folder / "only.weights.h5")
    received = model(np.load(folder / "x.npy")).numpy()
    np.testing.assert_allclose(received, np.load(folder / "expected.npy"), rtol=1e-5, atol=1e-6)
