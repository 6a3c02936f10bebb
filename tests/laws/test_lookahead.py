"""No look-ahead, end to end: bars after a moment move nothing at or before it, and nothing that was fitted before it.

Two laws. With the artifact held, every bar after t is replaced: features, probabilities and decisions at or before t
stay as they are through the feature code, scaler, network and exported SavedModel. And the fitted state: a run whose
bars are replaced from the moment on by which every label of training and validation had ended ends with the same
features, scaler, prior, weights and threshold, bit by bit.

That moment is the test cut less the embargo, not the end of the last label that happened to be kept: a trade open
between the two is left out of validation because it is open, and which trades are depends on the bars between. The
cuts themselves are shares of the bars, so no price moves them.

Each law is also shown a planted leak, which it must see.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepstack.artifact.load import open_artifact
from deepstack.artifact.model import load_network
from deepstack.candles.market import Candles, Market
from deepstack.config.read import read_config
from deepstack.features.catalogue import FEATURES
from deepstack.features.table import make_table
from deepstack.labels.breakout import find_breakouts
from deepstack.pipeline import run as run_module
from deepstack.pipeline import samples as samples_module
from deepstack.pipeline.market import Source, describe
from deepstack.pipeline.predict import predict
from deepstack.samples.split import Split, calendar_cuts, split_by_time

ROUNDING = 1e-6


def other_bars_after(market: Market, moment: pd.Timestamp, seed: int) -> Market:
    """The market with every bar that closes after `moment` replaced by another history, wilder and of other volume."""
    changed = {}
    for number, (name, candles) in enumerate(market.items()):
        rng = np.random.default_rng([seed, number])
        frame = candles.frame.copy()
        after = np.flatnonzero(frame.index > moment)
        start = frame["close"].iloc[after[0] - 1]
        close = start * np.exp(np.cumsum(0.02 * rng.standard_t(4, len(after))))
        open_ = np.concatenate([[start], close[:-1]]) * np.exp(0.003 * rng.normal(size=len(after)))
        reach = np.exp(0.01 * rng.exponential(size=(2, len(after))))
        frame.iloc[after, frame.columns.get_indexer(["open", "high", "low", "close", "volume"])] = np.column_stack(
            [
                open_,
                np.maximum(open_, close) * reach[0],
                np.minimum(open_, close) / reach[1],
                close,
                rng.lognormal(3.0, 2.0, len(after)),
            ]
        )
        changed[name] = Candles(name, candles.interval, frame)
    return changed


# With the artifact held


@pytest.fixture(scope="module")
def outputs(finished: Any) -> Callable[[Market, pd.Timestamp], dict[str, np.ndarray]]:
    """Everything the artifact says of a market at or before a moment."""
    opened = open_artifact(finished.folder)
    served = tf.saved_model.load(str(finished.folder / "serving" / "tiny" / "1")).signatures["serving_default"]
    network = load_network(opened)

    def say(market: Market, moment: pd.Timestamp) -> dict[str, np.ndarray]:
        table = make_table(market, names=opened.features)
        early = table.times <= np.datetime64(moment.tz_localize(None))
        with mock.patch("deepstack.pipeline.predict.load_network", return_value=network):
            signals = predict(finished.folder, market)
        signals = signals[signals["decision_time"] <= moment]
        exported = served(features=tf.constant(table.values[early]))
        return {
            "features": table.values[early],
            "signals": signals[["symbol", "decision_time", "side", "decision"]].to_numpy(),
            "probability": signals["probability"].to_numpy(),
            "served probability": exported["probability"].numpy(),
            "served decision": exported["decision"].numpy(),
        }

    return say


def moved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[str]:
    """Names of what differs, in any bit but those of `predict`'s probability.

    It scores early and late signals in one batch, and the rounding of a float32 matrix product depends on the number
    of rows; the SavedModel is given the early rows alone.
    """
    return [
        name
        for name in before
        if len(before[name]) != len(after[name])
        or not (
            np.allclose(before[name], after[name], rtol=0.0, atol=ROUNDING)
            if name == "probability"
            else np.array_equal(before[name], after[name])
        )
    ]


@pytest.fixture(scope="module")
def moments(finished: Any) -> list[pd.Timestamp]:
    """Closes of bars that raised a signal: what such a bar says must not depend on the next."""
    config = read_config(finished.config_file).labels
    candles = finished.market["SYN02"]
    rows, _, _ = find_breakouts(candles, config)
    return [candles.frame.index[row] for row in (rows[len(rows) // 3], rows[-10])]


def test_no_output_moves_when_later_bars_do(finished: Any, outputs: Callable, moments: list[pd.Timestamp]) -> None:
    for seed, moment in enumerate(moments):
        before = outputs(finished.market, moment)
        after = outputs(other_bars_after(finished.market, moment, seed), moment)
        assert len(before["features"]) > 500
        assert len(before["probability"]) > 50
        assert not moved(before, after)


def test_no_output_moves_when_later_bars_are_missing(
    finished: Any, outputs: Callable, moments: list[pd.Timestamp]
) -> None:
    moment = moments[-1]
    cut = {name: Candles(name, c.interval, c.frame.loc[:moment]) for name, c in finished.market.items()}
    assert not moved(outputs(finished.market, moment), outputs(cut, moment))


def test_one_feature_that_peeks_one_bar_ahead_is_seen(
    finished: Any, outputs: Callable, moments: list[pd.Timestamp], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = open_artifact(finished.folder).features[0]
    honest = FEATURES[name]

    def peek(bars: Any) -> np.ndarray:
        values = np.array(honest.compute(bars))
        values[:-1] += (bars.close[1:] / bars.close[:-1] - 1.0) * 10.0
        return values

    monkeypatch.setitem(FEATURES, name, replace(honest, compute=peek))
    moment = moments[-1]
    before = outputs(finished.market, moment)
    after = outputs(other_bars_after(finished.market, moment, 1), moment)
    assert {"features", "probability", "served probability"} <= set(moved(before, after))


# The fitted state


@pytest.fixture(scope="module")
def fitted_until(finished: Any) -> pd.Timestamp:
    """Close of the last bar that a label of training or validation may have seen."""
    config = read_config(finished.config_file)
    found = samples_module.candidates(finished.market, config.features, config.labels)
    interval = next(iter(finished.market.values())).interval
    cuts = calendar_cuts(found.bar_times, config.split)
    split = split_by_time(found.trades, cuts, interval, config.split.embargo_bars)
    last = split.test_cut - (config.split.embargo_bars + 1) * interval
    assert found.trades["end_time"].iloc[np.concatenate([split.train, split.validation])].max() <= last
    return last


def state_of(folder: Path) -> list[Any]:
    """All that a run fits: names, scaler, prior, weights, threshold."""
    opened = open_artifact(folder)
    clip, standard = opened.scaler["clip"].kw_args, opened.scaler["standardise"]
    bounds = [clip["a_min"], clip["a_max"], standard.mean_, standard.scale_]
    return [
        np.array(opened.features),
        *bounds,
        np.array([opened.manifest.data["prior"], opened.threshold]),
        *load_network(opened).get_weights(),
    ]


@pytest.mark.slow
def test_the_fitted_state_does_not_move_with_bars_after_its_last_label(
    finished: Any, fitted_until: pd.Timestamp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_bars_after(finished.market, fitted_until, seed=3)
    config = read_config(finished.config_file)
    monkeypatch.setattr(run_module, "load_source", lambda *_: Source(other, {**describe(other), "source": "files"}))
    folder = run_module.run(config, out=tmp_path)
    assert folder is not None
    before, after = state_of(finished.folder), state_of(folder)
    assert len(before) == len(after) > 30
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)
    opened = [open_artifact(f).manifest.data["fingerprint"] for f in (finished.folder, folder)]
    assert opened[0] != opened[1]


def scaled_state(market: Market, finished: Any) -> list[np.ndarray]:
    """What is fitted before the training that follows from it: names, scaler, weights, prior, scaled early samples."""
    config = read_config(finished.config_file)
    interval = next(iter(market.values())).interval
    found = samples_module.candidates(market, config.features, config.labels)
    parts = samples_module.slices(found, interval, config)
    clip, standard = parts.scaled.scaler["clip"].kw_args, parts.scaled.scaler["standardise"]  # type: ignore[index]
    rows = np.concatenate([parts.split.train, parts.split.validation])
    bounds = [clip["a_min"], clip["a_max"], standard.mean_, standard.scale_]
    known = [parts.scaled.x[rows], parts.scaled.weight[rows], np.array([parts.scaled.prior])]
    return [np.array(parts.scaled.names), *bounds, *known]


def test_a_scaler_fitted_on_all_samples_is_seen(
    finished: Any, fitted_until: pd.Timestamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_bars_after(finished.market, fitted_until, seed=3)
    honest = [scaled_state(market, finished) for market in (finished.market, other)]
    assert all(np.array_equal(one, two) for one, two in zip(*honest, strict=True))

    scale = samples_module.scale

    def peeking(found: Any, split: Split, *rest: Any) -> Any:
        return scale(found, replace(split, train=np.arange(len(found.trades))), *rest)

    monkeypatch.setattr(samples_module, "scale", peeking)
    leaking = [scaled_state(market, finished) for market in (finished.market, other)]
    assert not all(np.array_equal(one, two) for one, two in zip(*leaking, strict=True))


def test_cuts_taken_from_the_trades_are_seen(
    finished: Any, fitted_until: pd.Timestamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How many trades a slice holds depends on its prices: the share of trades would let test prices move the cut.
    quiet = {}
    for name, candles in finished.market.items():
        frame = candles.frame.copy()
        after = np.flatnonzero(frame.index > fitted_until)
        prices = frame.columns.get_indexer(["open", "high", "low", "close"])
        frame.iloc[after[: len(after) // 2], prices] = frame["close"].iloc[after[0] - 1]
        quiet[name] = Candles(name, candles.interval, frame)
    honest = [scaled_state(market, finished) for market in (finished.market, quiet)]
    assert all(np.array_equal(one, two) for one, two in zip(*honest, strict=True))

    slices = samples_module.slices

    def by_trades(found: Any, interval: pd.Timedelta, config: Any) -> Any:
        times = found.trades["decision_time"].dt.tz_localize(None).to_numpy("datetime64[ms]")
        return slices(replace(found, bar_times=times), interval, config)

    monkeypatch.setattr(samples_module, "slices", by_trades)
    leaking = [scaled_state(market, finished) for market in (finished.market, quiet)]
    assert not all(np.array_equal(one, two) for one, two in zip(*leaking, strict=True))
