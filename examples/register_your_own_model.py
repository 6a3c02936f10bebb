"""Train a model of your own through the whole pipeline: `python examples/register_your_own_model.py`.

A builder gets the inputs' shapes and a head, and ends in `head.outputs`; its options are a frozen dataclass. Once
registered it is a model like any other: split, training, baselines, report and SavedModel are the same.

The catalogue is that of the process: whatever opens the artifact later registers the model first, Python by importing
this file, the command by `deepstack --plugin examples/register_your_own_model.py predict artifacts/<run> …`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

import deepstack


@dataclass(frozen=True)
class MeanConfig:
    units: int = 32


def build(inputs: Mapping[str, tuple[int, ...]], head: Any, config: MeanConfig) -> keras.Model:
    features = keras.Input(inputs["features"], name="features")
    x = keras.layers.GlobalAveragePooling1D(name="mean")(features)
    x = keras.layers.Dense(config.units, activation="relu", name="dense")(x)
    return keras.Model({"features": features}, head.outputs(x), name="window_mean")


deepstack.register("window_mean", deepstack.Model("dense layer on the window's mean", build, MeanConfig, "window"))


def main() -> None:
    settings = [
        "name=window_mean",
        "model.name=window_mean",
        "model.options={units: 16}",
        "data.synthetic={symbols: 2, bars: 4000, interval: 1h}",
        "samples.window_bars=8",
        "training.epochs=2",
        "evaluation.baselines=[take_all, logistic]",
        "evaluation.bootstrap_resamples=100",
        "evaluation.permutation_rows=100",
    ]
    config = deepstack.read_config(None, settings)
    artifact = deepstack.run(config)

    market = deepstack.make_market(config.data.synthetic, config.seed)  # deepstack.read_market([path])[0] of your files
    print(deepstack.load(artifact).predict(market).tail(3).to_string(index=False))
    print(json.loads((artifact / "report.json").read_text())["verdict"])
    print(f"artifact: {artifact}")


if __name__ == "__main__":
    main()
