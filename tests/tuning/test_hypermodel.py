"""Every architecture is a HyperModel that Keras Tuner's own tuners search in a script of one's own."""

from pathlib import Path
from unittest import mock

import keras
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


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_offered_with_its_whole_space(path: Path) -> None:
    """The networks themselves are built by the laws; here their options are drawn and handed on."""
    config = read_config(path)
    entry = catalogue.find(config.model.name)
    shapes = input_shapes(entry.sees, 6, 16, config.samples.timeframes, when=entry.when)
    inputs = keras.Input((3,))
    tiny = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    hp = keras_tuner.HyperParameters()
    with mock.patch.object(catalogue, "build", return_value=tiny) as build:
        compiled = HyperNetwork(config, shapes).build(hp)
    name, given, _, options = build.call_args.args
    assert (name, given) == (config.model.name, shapes)
    assert set(hp.values) <= set(config.tuning.space) and hp.values
    searched = {key.split(".")[2] for key in hp.values if key.startswith("model.options.")}
    assert searched <= set(options)
    rate = hp.values.get("training.learning_rate", config.training.learning_rate)
    assert float(compiled.optimizer.learning_rate) == pytest.approx(rate, rel=1e-5)
