"""An ensemble is one network: what its members say combined as settled, resumed without training anyone again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.artifact.load import open_artifact
from deepstack.artifact.model import class_probabilities
from deepstack.candles.market import Market
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.ensembles.combine import METHODS
from deepstack.errors import ArtifactError, ConfigError
from deepstack.models import catalogue
from deepstack.models.ensemble.ensemble import EnsembleConfig
from deepstack.models.heads import head_of
from deepstack.pipeline import settle_members
from deepstack.pipeline import train_members as module
from deepstack.pipeline.market import load_source
from deepstack.pipeline.predict import load
from deepstack.pipeline.run import run
from deepstack.pipeline.samples import Slices, find, part, slices
from deepstack.pipeline.train import train
from deepstack.pipeline.train_members import require_cycles, train_members

CONFIG = """\
name: together
seed: 5
data:
  synthetic: {symbols: 2, bars: 3000, interval: 1h, edge: 1.0}
features: {groups: [price], max_features: 6}
labels:
  kind: horizons
  horizons: {lengths: [2h, 8h], volatility_bars: 48, every_bars: 4}
samples: {window_bars: 6}
model:
  name: ensemble
  head: horizons
  options:
    rnn_models: [gru]
    cnn_models: [tcn]
    other_models: [sequential]
    options:
      gru: {units: [4], dropout: 0.0}
      tcn: {filters: 4, levels: 1, dropout: 0.0}
      sequential: {layers: 5, width: 8, dropout: 0.0}
training: {strategy: none, jit_compile: false, learning_rate: 0.01, epochs: 1, batch_size: 64}
evaluation: {bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all]}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ensemble") / "together.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def config(path: Path) -> RunConfig:
    return read_config(path)


@pytest.fixture(scope="module")
def parts(config: RunConfig) -> Slices:
    source = load_source(config)
    return slices(find(source.market, config, catalogue.find("ensemble")), source.interval, config)


@pytest.fixture(scope="module")
def trained(config: RunConfig, parts: Slices, path: Path) -> Path:
    """A folder in which every member has been trained."""
    train(config, parts, path.parent / "work")
    return path.parent / "work"


def with_method(config: RunConfig, method: str, **more: Any) -> RunConfig:
    options = config.model.options | {"ensemble_method": method} | more
    return config.model_copy(update={"model": config.model.model_copy(update={"options": options})})


@pytest.mark.parametrize("method", METHODS)
def test_the_network_says_what_its_members_say_combined(
    method: str, config: RunConfig, parts: Slices, trained: Path
) -> None:
    config, head = with_method(config, method), head_of(config.labels, config.model)
    with mock.patch.object(module, "train_network", side_effect=AssertionError("trained again")):
        fitted = train_members(config, parts, trained, resume=True)
    rows = parts.split.validation
    network, names = fitted.model, ("tcn", "gru", "sequential")
    members = np.stack(
        [settle_members._answers(network.get_layer(f"{name}_0"), catalogue.find(name), head, parts) for name in names]
    )
    found = class_probabilities(network, head, part(parts.inputs, rows), parts.priors)
    for k, output in enumerate(parts.labels.outputs):
        codes = parts.labels.codes[rows, k]
        dropped = fitted.facts["ensemble"]["company"][output]["dropped"]
        kept = [m for m, name in enumerate(("tcn_0", "gru_0", "sequential_0")) if name not in dropped]
        combiner = METHODS[method](members[kept][:, :, k], codes)
        np.testing.assert_allclose(found[:, k], combiner(members[kept][:, :, k]), atol=1e-5)
    assert fitted.validation is not None and fitted.validation.shape == found.shape


def test_members_have_not_met_validation_even_to_stop_by_it(config: RunConfig, parts: Slices, tmp_path: Path) -> None:
    with mock.patch.object(module, "train_network", wraps=module.train_network) as spy:
        train_members(with_method(config, "stacking"), parts, tmp_path)
    assert spy.call_count == 3
    decided, ended = (parts.labels.samples[name].to_numpy() for name in ("decision_time", "end_time"))
    for call in spy.call_args_list:
        inside = call.args[1].split
        assert set(inside.train) | set(inside.validation) <= set(parts.split.train)
        assert len(inside.validation) == pytest.approx(0.15 * len(parts.split.train), rel=0.05)
        embargo = config.split.embargo_bars * parts.interval
        assert ended[inside.train].max() < decided[inside.validation].min() - embargo
        left_out = len(parts.split.train) - len(inside.train) - len(inside.validation)
        assert left_out == inside.purged + inside.embargoed > 0


def test_an_artifact_holds_the_whole_ensemble(config: RunConfig, path: Path) -> None:
    folder = run(config, out=path.parent / "artifacts")
    assert folder is not None
    report = json.loads((folder / "report.json").read_text())
    assert report["ensemble"]["members"] == ["tcn_0", "gru_0", "sequential_0"]
    assert set(report["ensemble"]["company"]) == {"2h", "8h"}
    market: Market = load_source(config).market
    predictor = load(folder)
    moments, inputs, _ = predictor.look(market)
    tail = np.arange(len(moments))[-50:]
    ours = predictor.probabilities(part(inputs, tail))
    opened = open_artifact(folder)
    found = find(market, opened.config, catalogue.find("ensemble"), names=opened.features)
    unscaled = part(found.seen.inputs, np.arange(len(found.labels))[-40:])
    served = tf.saved_model.load(str(folder / "serving" / "together" / "1")).signatures["serving_default"]
    theirs = served(features=tf.constant(unscaled["features"][np.arange(40)]))["probability"].numpy()
    again = predictor.probabilities(predictor.scale(part(found.seen.inputs, np.arange(len(found.labels))[-40:])))
    np.testing.assert_allclose(theirs, again, atol=1e-5)
    assert ours.shape == (50, 2, 3)


def test_a_damaged_member_is_named_and_what_it_came_to_is_kept(
    config: RunConfig, parts: Slices, trained: Path, tmp_path: Path
) -> None:
    again = train_members(with_method(config, "mean"), parts, trained, resume=True)
    assert again.epochs == 1 and again.batch_size == 64 and again.steps > 0
    file = trained / "members" / "gru_0.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[:200])
    with pytest.raises(ArtifactError, match=r"gru_0\.npz: expected weights of a member"):
        train_members(with_method(config, "mean"), parts, trained, resume=True)
    file.write_bytes(whole)


def copied(by: str, config: RunConfig, parts: Slices, folder: Path, epochs: int) -> tuple[Any, list[Any], list[Any]]:
    """An ensemble of two copies of one model: its result, and for every training its arguments and its weights."""
    options = {"copies": 2, "copies_by": by, "cnn_models": [], "other_models": [], "options": {"gru": {"units": [4]}}}
    config = with_method(config, "mean", **options)
    config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
    asked, ended, honest = [], [], module.train_network

    class EveryEpoch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            ended[-1].append(self.model.get_weights())

    def spied(config: RunConfig, *rest: Any, callbacks: Any = (), **more: Any) -> Any:
        asked.append((config, more.get("start")))
        ended.append([])
        return honest(config, *rest, callbacks=[*callbacks, EveryEpoch()], **more)

    with mock.patch.object(module, "train_network", spied):
        return train_members(config, parts, folder), asked, ended


def same(one: Any, two: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_copies_by_seeds_are_trainings_of_their_own(config: RunConfig, parts: Slices, tmp_path: Path) -> None:
    fitted, asked, _ = copied("seeds", config, parts, tmp_path, 1)
    assert len({one.seed for one, _ in asked}) == len(asked) == 2
    assert not same(*(fitted.model.get_layer(f"gru_{k}").get_weights() for k in range(2)))


def test_snapshots_are_the_ends_of_the_cycles_of_one_training(config: RunConfig, parts: Slices, tmp_path: Path) -> None:
    """Huang et al. 2017, Snapshot ensembles: train 1, get M for free."""
    fitted, ((asked, start),), (epochs,) = copied("snapshots", config, parts, tmp_path, 5)
    schedule = asked.training.schedule
    assert (schedule.kind, schedule.period_epochs, schedule.period_factor) == ("cosine_restarts", 2, 1.0)
    assert asked.training.epochs == asked.training.early_stopping_epochs == len(epochs) == 4  # none is cut short
    assert start is None
    for k, end in enumerate((1, 3)):
        assert same(fitted.model.get_layer(f"gru_{k}").get_weights(), epochs[end])


def test_geometric_copies_are_short_cycles_from_a_finished_training(
    config: RunConfig, parts: Slices, tmp_path: Path
) -> None:
    """Garipov et al. 2018, Loss surfaces, mode connectivity, and fast ensembling of DNNs."""
    fitted, asked, ended = copied("geometric", config, parts, tmp_path, 3)
    (before, nothing), (cycles, start) = asked
    assert before.training.epochs == 3 and nothing is None
    assert cycles.training.epochs == 2 and cycles.training.schedule.period_epochs == 1
    assert cycles.training.learning_rate == before.training.learning_rate / 2
    assert any(same(start, weights) for weights in ended[0])
    for k in range(2):
        assert same(fitted.model.get_layer(f"gru_{k}").get_weights(), ended[1][k])


def test_shares_are_trained_with_the_members_when_asked_for(config: RunConfig, parts: Slices, tmp_path: Path) -> None:
    fitted = train(with_method(config, "end_to_end"), parts, tmp_path)
    shares = fitted.model.get_layer("combine").share_logits.numpy()
    assert np.ptp(shares) > 0.0
    assert fitted.validation is None
    (company,) = {name: one for name, one in fitted.facts["ensemble"]["company"].items() if name == "2h"}.values()
    assert company["dropped"] == [] and 0.0 <= company["diversity"]["disagreement"] <= 1.0


def test_cycles_are_not_cut_short_by_a_clock(config: RunConfig) -> None:
    limited = config.training.model_copy(update={"minutes": 0.5})
    for by in ("snapshots", "geometric"):
        with pytest.raises(ConfigError, match=r"training\.minutes.*copies_by " + by):
            require_cycles(EnsembleConfig(copies=2, copies_by=by), limited)
    require_cycles(EnsembleConfig(copies=2), limited)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"classical_models": ["random_forest"]}, "expected none in one network, received random_forest"),
        ({"cnn_models": [], "other_models": []}, "expected two or more, copies counted, received 1"),
        ({"cnn_models": ["ensemble"]}, "received ensemble: an ensemble, whose members can stand here"),
        (
            {"cnn_models": ["gaf_resnet18"], "options": {"gaf_resnet18": {"joint": [2]}}},
            r"received gaf_resnet18: channels with one scale \(joint\)",
        ),
        ({"copies_by": "snapshots", "copies": 3}, "expected 3 or more, one a copy, received 1"),
        ({"options": {"lstm": {}}}, "options: expected members, received lstm"),
        ({"rnn_models": ["gru", "gru"]}, "expected each once, received tcn, gru, gru"),
        ({"options": {"gru": 5}}, "options.gru: expected a section of options, received 5"),
    ],
)
def test_what_cannot_be_one_network_is_refused_in_one_line(
    more: dict[str, Any], message: str, config: RunConfig, parts: Slices, tmp_path: Path
) -> None:
    more = more | ({} if "options" in more else {"options": {}})
    with pytest.raises(ConfigError, match=message):
        train(with_method(config, "mean", **more), replace(parts), tmp_path)
