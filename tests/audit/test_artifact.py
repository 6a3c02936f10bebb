"""An artifact whose scaler, prior, combiner, calibration or threshold its candles do not give is found out."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deepstack.artifact.load import Artifact
from deepstack.audit.fitted import audit_artifact
from deepstack.calibration import Calibration
from deepstack.config.read import read_config
from deepstack.models import catalogue
from deepstack.models.ensemble.ensemble import COMBINE
from deepstack.pipeline.market import load_source
from deepstack.pipeline.predict import Predictor, load
from deepstack.pipeline.run import run
from deepstack.pipeline.samples import Slices, find, slices

CONFIG = """\
name: {name}
seed: 5
data:
  synthetic: {{symbols: 2, bars: 2600, interval: 1h, edge: 1.0}}
features: {{names: [return_1, return_5, upper_wick]}}
labels: {{kind: horizons, horizons: {{lengths: [2h], volatility_bars: 24}}}}
samples: {{window_bars: 4}}
model: {model}
training: {{strategy: none, jit_compile: false, epochs: 1, batch_size: 64}}
evaluation: {{calibration: platt, bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all]}}
"""
MODELS = {
    "alone": "{name: sequential, head: horizons, options: {layers: 5, width: 8}}",
    "together": "{name: ensemble, head: horizons, options: {other_models: [sequential], rnn_models: [gru], "
    "ensemble_method: stacking, options: {sequential: {layers: 5, width: 8}, gru: {units: [4]}}}}",
}


@pytest.fixture(scope="module", params=MODELS)
def trained(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Slices]:
    place = tmp_path_factory.mktemp(request.param)
    (place / "config.yaml").write_text(CONFIG.format(name=request.param, model=MODELS[request.param]))
    config = read_config(place / "config.yaml")
    source = load_source(config)
    found = find(source.market, config, catalogue.find(config.model.name))
    return load(run(config, out=place / "artifacts")), slices(found, source.interval, config)


def with_data(artifact: Artifact, **data: Any) -> Artifact:
    manifest = artifact.manifest
    return replace(artifact, manifest=replace(manifest, data={**manifest.data, **data}))


def shifted_scaler(artifact: Artifact) -> Artifact:
    scalers = copy.deepcopy(dict(artifact.scalers))
    next(iter(scalers.values()))["standardise"].mean_[1] += 1e-6
    return replace(artifact, scalers=scalers)


TAMPERED: dict[str, Callable[[Artifact], Artifact]] = {
    "scaler of features": shifted_scaler,
    "priors": lambda artifact: with_data(artifact, priors=[[0.3, 0.4, 0.3]]),
    "calibration": lambda artifact: with_data(artifact, calibrations=[Calibration(slope=1.3).tree()]),
    "threshold": lambda artifact: replace(artifact, thresholds=(artifact.thresholds[0] + 0.01,)),
    "features": lambda artifact: replace(artifact, features=artifact.features[::-1]),
}


def test_what_its_candles_give_holds(trained: tuple[Predictor, Slices]) -> None:
    predictor, parts = trained
    found = audit_artifact(parts, predictor, own=True)
    assert found.offence is None, str(found.offence)
    assert "1 calibrations and thresholds" in found.covers
    assert ("1 combiners" in found.covers) == (predictor.artifact.config.model.name == "ensemble")


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_fitted_otherwise_is_named(what: str, trained: tuple[Predictor, Slices]) -> None:
    predictor, parts = trained
    other = Predictor(TAMPERED[what](predictor.artifact))
    found = audit_artifact(parts, other, own=True)
    assert found.offence is not None and found.offence.what == what


def test_a_combiner_of_other_outcomes_is_named(trained: tuple[Predictor, Slices]) -> None:
    predictor, parts = trained
    if predictor.artifact.config.model.name != "ensemble":
        return
    layer = predictor.network.get_layer(COMBINE)
    kept = layer.get_weights()
    layer.set_weights([values + 0.05 for values in kept])
    found = audit_artifact(parts, predictor, own=True)
    layer.set_weights(kept)
    assert found.offence is not None and found.offence.what == "combiner"
