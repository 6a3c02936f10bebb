"""An ensemble's network has members of several timeframes, with images, a memory, and a first training of their own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.audit.chain import audit_chain
from deepstack.audit.network import steady
from deepstack.config.features import FeaturesConfig
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError
from deepstack.features.scale import fit_scaler
from deepstack.layers.episodic_recall import NEVER_S
from deepstack.layers.gramian import GramianAngularField
from deepstack.models import catalogue
from deepstack.models.heads import Head
from deepstack.models.inputs import WHEN
from deepstack.pipeline import beginning
from deepstack.pipeline.market import load_source
from deepstack.pipeline.plan import plan
from deepstack.pipeline.predict import load
from deepstack.pipeline.run import run
from deepstack.pipeline.samples import Slices, find, part, slices
from deepstack.pipeline.train import check, train

CONFIG = """\
name: all_kinds
seed: 5
data:
  synthetic: {symbols: 2, bars: 2500, interval: 1h, edge: 1.0}
features: {groups: [price], max_features: 6}
labels:
  kind: horizons
  horizons: {lengths: [2h, 8h], volatility_bars: 48, every_bars: 4}
samples: {window_bars: 6, timeframes: [4h]}
model:
  name: ensemble
  head: horizons
  options:
    cnn_models: [gaf_resnet18]
    rnn_models: [attentive_lstm]
    transformer_models: [transformer_decoder]
    other_models: [episodic_memory, sequential]
    options:
      gaf_resnet18: {size: 8, filters: [64], blocks: [1], units: 4}
      attentive_lstm: {units: 4}
      transformer_decoder: {size: small, depth: 1}
      episodic_memory: {units: 4, key_units: 4, episodes: 64, top: 4}
      sequential: {layers: 5, width: 8}
training: {strategy: none, jit_compile: false, learning_rate: 0.01, epochs: 1, pretrain_epochs: 1, batch_size: 64}
evaluation: {bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all]}
"""
MEMBERS = ("gaf_resnet18", "attentive_lstm", "transformer_decoder", "episodic_memory", "sequential")


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    (tmp_path / "all_kinds.yaml").write_text(CONFIG)
    return read_config(tmp_path / "all_kinds.yaml")


def with_options(config: RunConfig, **more: object) -> RunConfig:
    options = config.model.options | more
    return config.model_copy(update={"model": config.model.model_copy(update={"options": options})})


@pytest.mark.slow
def test_members_of_all_kinds_are_one_artifact(config: RunConfig, tmp_path: Path) -> None:
    folder = run(with_options(config, ensemble_method="stacking"), out=tmp_path)
    report = json.loads((folder / "report.json").read_text())
    assert report["ensemble"]["members"] == [f"{name}_0" for name in MEMBERS]
    predictor = load(folder)
    assert remembers(predictor.network)

    source = load_source(config)
    moments = predictor.decisions(source.market)[-300:].reset_index(drop=True)
    seen = predictor.see(source.market, moments)
    unscaled = {name: np.array(values[np.arange(8)]) for name, values in seen.inputs.items()}
    assert set(unscaled) == {"features", "features_4h", "decision_s"}
    served = tf.saved_model.load(str(folder / "serving" / "all_kinds" / "1")).signatures["serving_default"]
    said = served(**{name: tf.constant(values) for name, values in unscaled.items()})["probability"].numpy()
    offset = predictor.head.prior_offset(predictor.artifact.priors)
    raw = predictor.raw(predictor.scale(unscaled)).astype(np.float64)
    np.testing.assert_allclose(said, predictor.head.probabilities(raw, offset), atol=1e-5)
    audited = audit_chain(folder, source.market, rows=10)
    assert {link.name: link.offence for link in audited.links if link.offence is not None} == {}


def test_all_at_once_they_begin_with_what_each_needs(config: RunConfig, tmp_path: Path) -> None:
    config = only(config, "transformer_decoder", "episodic_memory", ensemble_method="end_to_end")
    with mock.patch.object(beginning, "with_weights", wraps=beginning.with_weights) as begun:
        fitted = train(config, parts_of(config), tmp_path)
    given = {call.args[0].name: call.args[1] for call in begun.call_args_list}
    assert given["transformer_decoder_0"] and not given["episodic_memory_0"]
    assert (tmp_path / "transformer_decoder_0" / "pretraining").is_dir()
    assert remembers(fitted.model)
    assert np.ptp(fitted.model.get_layer("combine").share_logits.numpy()) > 0.0


def only(config: RunConfig, *models: str, **more: object) -> RunConfig:
    """An ensemble of these alone, on one timeframe."""
    lists = {"cnn_models": [], "rnn_models": [], "transformer_models": [], "other_models": list(models)}
    options = {name: one for name, one in config.model.options["options"].items() if name in models}
    config = with_options(config, **lists, options=options, **more)
    return config.model_copy(update={"samples": config.samples.model_copy(update={"timeframes": ()})})


def parts_of(config: RunConfig) -> Slices:
    source = load_source(config)
    return slices(find(source.market, config, catalogue.line_of(config.model)), source.interval, config)


@pytest.mark.parametrize("by", ["seeds", "snapshots"])
def test_copies_begin_as_they_are_copied(by: str, config: RunConfig, tmp_path: Path) -> None:
    """Each seed has foreseen bars by itself; snapshots are of one training, which did so once, before its cycles."""
    method = "end_to_end" if by == "seeds" else "mean"
    config = only(config, "transformer_decoder", copies=2, copies_by=by, ensemble_method=method)
    config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": 2})})
    asked: list[RunConfig] = []

    def pretrain(_entry: Any, _options: Any, _parts: Slices, own: RunConfig, *_: Any, **__: Any) -> dict[str, Any]:
        asked.append(own)
        return {}

    with mock.patch.object(beginning, "pretrain", pretrain):
        train(config, parts_of(config), tmp_path)
    assert [one.seed for one in asked] == ([5, 1005] if by == "seeds" else [5])
    assert all(one.training == config.training for one in asked)
    planned = plan(config, measure=False)
    assert planned.pretraining_steps * config.training.epochs == len(asked) * planned.steps


@dataclass(frozen=True)
class MineConfig:
    units: int = 3


def mine(inputs: dict[str, tuple[int, ...]], head: Head, config: MineConfig) -> keras.Model:
    """A model that asks for the time without having a memory, and ends in a layer of its own."""
    given = {
        name: keras.Input(shape, name=name, dtype="int32" if name == WHEN else None) for name, shape in inputs.items()
    }
    hour = keras.layers.Rescaling(1e-9)(given[WHEN])
    x = keras.layers.Concatenate()([keras.layers.Flatten()(given["features"]), hour])
    x = keras.layers.Dense(config.units * len(head.names) * head.logits)(x)
    x = keras.layers.Reshape((len(head.names), head.logits, config.units))(x)
    return keras.Model(given, keras.layers.EinsumDense("bhcu,u->bhc", (len(head.names), head.logits), name="mine")(x))


def test_a_model_of_ones_own_is_a_member_too(config: RunConfig, tmp_path: Path) -> None:
    with mock.patch.dict(catalogue.MODELS):
        catalogue.register("mine", catalogue.Model("my own", mine, MineConfig, "window", when=True))
        config = only(config, "mine", "sequential", ensemble_method="end_to_end")
        parts = parts_of(config)
        fitted = train(config, parts, tmp_path)
        assert np.isfinite(fitted.validation if fitted.validation is not None else 0.0).all()
        steady(fitted.model, part(parts.inputs, parts.split.validation))


def test_scaled_features_draw_the_image_of_unscaled_ones() -> None:
    random = np.random.default_rng(0)
    windows = random.normal(size=(4, 16, 3)).astype(np.float32) * [1.0, 50.0, 1e-3] + [0.0, 900.0, 1.0]
    scaler = fit_scaler(windows.reshape(-1, 3).astype(np.float32), FeaturesConfig(clip_quantile=0.0))
    scaled = scaler.transform(windows.reshape(-1, 3).astype(np.float32)).reshape(windows.shape)
    draw = GramianAngularField(8)
    np.testing.assert_allclose(draw(scaled.astype(np.float32)), draw(windows.astype(np.float32)), atol=2e-3)


def remembers(network: keras.Model) -> bool:
    bank = network.get_layer("episodic_memory_0").get_layer("recall")
    return bool((bank.end_s.numpy() < NEVER_S).all() and np.abs(bank.keys.numpy()).sum() > 0.0)


def test_what_a_member_cannot_be_given_is_told_before_any_work(config: RunConfig) -> None:
    check(config)
    missing = config.model.options["options"] | {"gaf_resnet18": {"weights": "missing.safetensors"}}
    with pytest.raises(ConfigError, match=r"missing\.safetensors"):
        check(with_options(config, options=missing))
    mixed = config.samples.augment.model_copy(update={"transforms": ("mixup",)})
    mixing = config.model_copy(update={"samples": config.samples.model_copy(update={"augment": mixed})})
    with pytest.raises(ConfigError, match="single samples for a model that recalls"):
        check(mixing)
