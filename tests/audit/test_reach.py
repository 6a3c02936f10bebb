"""What the audit looks at is really there: bars beyond a gap, every weight of a network, every answer of a label."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest
from small_models import WITH_DROPOUT, build, inputs_of

from deepstack.audit.chain import _of_config, _prepared, _stretch, audit_chain
from deepstack.audit.end_to_end import audit_end_to_end
from deepstack.audit.features import audit_features
from deepstack.audit.futures import reaching
from deepstack.audit.labels import audit_decisions
from deepstack.audit.leaky_fits import served_batch_statistics
from deepstack.audit.network import steady, stir
from deepstack.candles.market import Candles, Market
from deepstack.config.run import RunConfig
from deepstack.features import table as table_module
from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES
from deepstack.features.table import make_table
from deepstack.models import catalogue
from deepstack.models.heads import binary_head
from deepstack.progress import no_progress

HOLE = slice(1000, 1100)
"""Bars that are missing: more than the audit looks ahead."""


@pytest.fixture(scope="module")
def holed(audited_market: Market) -> Market:
    symbol, candles = next(iter(audited_market.items()))
    frame = candles.frame.drop(candles.frame.index[HOLE])
    return {symbol: Candles(symbol, candles.interval, frame)}


def test_the_bars_ahead_are_the_next_ones_however_long_the_gap(holed: Market) -> None:
    ((symbol, candles),) = holed.items()
    index = candles.frame.index
    cut = reaching(holed, index[900], index[999], 24)[symbol].frame.index
    assert cut[0] == index[901] and cut[-1] == index[1023]
    assert cut[-1] - index[999] > 100 * candles.interval


def test_a_feature_that_looks_over_a_gap_is_seen_at_its_edge(holed: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["return_1", "return_5"]
    assert audit_features(holed, names, 20).offence is None
    honest = table_module.make_table

    def over_the_gap(market: Market, **more: object) -> object:
        """The last row before a gap has the first price after it."""
        table = honest(market, **more)
        last = np.flatnonzero(np.diff(table.segment))
        table.values[last, 0] = table.values[last + 1, 0]
        return table

    monkeypatch.setattr("deepstack.audit.features.make_table", over_the_gap)
    found = audit_features(holed, names, 20)
    assert found.offence is not None and found.offence.what == "return_1"


def test_no_weight_of_a_network_is_left_at_zero() -> None:
    options = {
        "width": 8,
        "res_blocks_per_unit": [2],
        "dense_blocks_per_unit": [1],
        "growth": 4,
        "attention_scales": [1],
    }
    network = catalogue.build("ultimate", {"features": (6,)}, binary_head(), options)
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    assert any(not np.any(keras.ops.convert_to_numpy(weight)) for weight in network.weights)
    before = network.predict(x, verbose=0)
    stir(network)
    assert all(np.any(keras.ops.convert_to_numpy(weight)) for weight in network.weights if "float" in weight.dtype)
    after = network.predict(x, verbose=0)
    assert np.isfinite(after).all() and not np.allclose(before, after)


@pytest.mark.parametrize("name", ["ultimate", "ensemble"])
def test_a_stirred_network_is_not_sure_of_everything(name: str) -> None:
    """A probability of 0 or 1 moves with nothing."""
    network, x = build(name, WITH_DROPOUT), inputs_of(name, 64)
    stir(network)
    parts = [network, *(layer for layer in network.layers if isinstance(layer, keras.Model))]
    for head in (layer for one in parts for layer in one.layers if layer.name == "logit"):
        kernel, bias = head.get_weights()
        head.set_weights([100.0 * kernel, bias + 5000.0])
    before = network.predict(x, verbose=0)
    steady(network, x)
    after = network.predict(x, verbose=0)
    assert np.mean(before) > 15 and abs(np.mean(after)) < 0.2
    assert 0.01 < np.std(after) <= 1.01


def test_more_symbols_than_rows_are_looked_at_all(audited_market: Market, config_of: Callable[..., RunConfig]) -> None:
    found = audit_decisions(audited_market, config_of("bar").labels, 1)
    assert found.offence is None and found.covers.startswith(f"{len(audited_market)} rows")


def test_a_config_that_asks_for_a_calibration_is_audited_with_one(
    audited_market: Market, config_of: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = config_of("horizons", "evaluation.calibration=platt")
    subject = _of_config(config, audited_market, tmp_path, no_progress)
    calibrations = subject.served.predictor.artifact.calibrations
    assert len(calibrations) == 2 and all(one.changes for one in calibrations)


def test_what_is_served_is_held_to_the_same_through_the_whole_chain(
    audited_market: Market, config_of: Callable[..., RunConfig]
) -> None:
    with served_batch_statistics():
        found = audit_chain(config_of("bar"), audited_market, rows=20, links=["end to end"])
    (leak,) = found.leaks
    assert leak.offence is not None and leak.offence.what.startswith("served ")
    assert "ahead or further" in leak.offence.how


def test_an_input_that_looks_ahead_is_named_with_its_feature(
    audited_market: Market, config_of: Callable[..., RunConfig]
) -> None:
    honest = FEATURES["return_5"]

    def peek(bars: Bars) -> np.ndarray:
        return np.append(np.asarray(honest.compute(bars))[2:], [0.0, 0.0])

    with mock.patch.dict(FEATURES, {"return_5": replace(honest, compute=peek)}):
        found = audit_chain(config_of("bar"), audited_market, rows=20, links=["end to end"])
    (leak,) = found.leaks
    assert leak.offence is not None
    assert leak.offence.what == "input features, return_5"
    assert "looks 1 bar ahead or further" in leak.offence.how


def test_the_first_window_after_a_gap_is_an_edge_too(
    holed: Market, config_of: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = config_of("causal", "features.names=[return_1, return_5, volume_z_20]")
    bars = config.samples.window_bars
    with _prepared(config, holed, tmp_path, no_progress) as subject:
        stretch = _stretch(subject, holed, 20)
        covers = audit_end_to_end(subject.served, holed, stretch).covers
    ((symbol, candles),) = holed.items()
    known = make_table(holed, names=subject.served.predictor.artifact.features)
    after = pd.Timestamp(known.times[np.searchsorted(known.segment, 1)], tz="UTC") + (bars - 1) * candles.interval
    before = candles.frame.index[HOLE.start - 1]
    assert {(symbol, before), (symbol, after)} <= set(stretch.edges)
    assert len(stretch.edges) == 4
    assert " 4 edges of runs" in covers
