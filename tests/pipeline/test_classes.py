"""Sell, hold or buy over one horizon: the head `classes`, from candles to a table of predictions."""

import json
from pathlib import Path

import numpy as np

from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.read import read_config
from deepstack.pipeline.predict import load
from deepstack.pipeline.run import run

CONFIG = """\
name: one_horizon
seed: 3
data: {synthetic: {symbols: 1, bars: 3000, interval: 1min}}
features: {groups: [calendar]}
labels: {kind: horizons, horizons: {lengths: [15min], volatility_bars: 60, every_bars: 3}}
samples: {window_bars: 8, augment: {transforms: [time_warp, cutmix]}}
model: {name: cnn1d, head: classes, uncertainty: aleatoric, options: {filters: [4, 4], units: 4}}
training: {strategy: none, jit_compile: false, loss: trading, epochs: 1, batch_size: 64}
evaluation: {bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all, logistic]}
"""


def test_one_horizon_runs_from_candles_to_predictions(tmp_path: Path) -> None:
    path = tmp_path / "one_horizon.yaml"
    path.write_text(CONFIG)
    config = read_config(path)
    artifact = run(config, out=tmp_path / "artifacts")
    report = json.loads((artifact / "report.json").read_text())
    assert list(report["test"]) == ["h15min"]
    assert np.array(report["samples"]["priors"]).shape == (1, 3)
    assert report["samples"]["prior"] is None
    table = load(artifact).predict(make_market(SyntheticConfig(symbols=1, bars=1000, interval="1min"), 9))
    np.testing.assert_allclose(table[["sell", "hold", "buy"]].sum(axis=1), 1.0, atol=1e-6)
    assert set(table["horizon"]) == {"15min"}
    assert (table["aleatoric"] > 0.0).all()
    assert table["position"].between(-1.0, 1.0).all()
