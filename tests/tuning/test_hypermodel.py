"""Every architecture is a HyperModel that Keras Tuner's own tuners search in a script of one's own."""

from pathlib import Path

import keras_tuner
import numpy as np
import pytest

from deepstack import HyperNetwork, read_config
from deepstack.models import catalogue
from deepstack.models.inputs import input_shapes

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SMALL = {"gru": "gru", "cnn1d": "cnn1d", "transformer_encoder": "transformer_encoder", "sequential": "sequential_75"}


@pytest.mark.parametrize("name", SMALL)
def test_a_script_searches_it(name: str, tmp_path: Path) -> None:
    config = read_config(CONFIGS / f"{SMALL[name]}.yaml", ["training.learning_rate=0.01"])
    entry = catalogue.find(name)
    shapes = input_shapes(entry.sees, 6, 16, config.samples.timeframes, when=entry.when)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, *next(iter(shapes.values())))).astype(np.float32)
    outputs = len(config.labels.horizons.lengths)
    y = rng.integers(0, 2, 64) if config.labels.kind == "breakout" else rng.integers(0, 3, (64, outputs))
    tuner = keras_tuner.RandomSearch(
        HyperNetwork(config, shapes), objective="val_loss", max_trials=2, directory=tmp_path, seed=1
    )
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    best = tuner.get_best_hyperparameters(1)[0]
    assert set(best.values) >= set(config.tuning.space)
    assert all(trial.status == "COMPLETED" for trial in tuner.oracle.trials.values())
    assert tuner.get_best_models(1)[0].predict(x, verbose=0).shape[0] == 64
