"""No look-ahead, end to end: bars after a moment move nothing at or before it, and nothing that was fitted before it.

Two laws. With the artifact held, every bar after t is replaced: features, probabilities and decisions at or before t
stay as they are through the feature code, windows, scalers, network and exported SavedModel. And the fitted state: a
run whose bars are replaced from the moment on by which every label of training and validation had ended ends with the
same features, scalers, priors, weights and thresholds, bit by bit.

That moment is the test cut less the embargo, not the end of the last label that happened to be kept: a trade open
between the two is left out of validation because it is open, and which trades are depends on the bars between. The
cuts themselves are shares of the bars, so no price moves them.

Both laws hold of two artifacts: a network of one bar's features that judges breakouts, and one of windows in two
timeframes that foresees moves over two horizons. Each law is also shown planted leaks, which it must see.
"""

from collections.abc import Callable, Mapping
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
from deepstack.features.table import FeatureTable
from deepstack.labels.labelled import decision_rows
from deepstack.models import catalogue
from deepstack.pipeline import run as run_module
from deepstack.pipeline import samples as samples_module
from deepstack.pipeline.inputs import see
from deepstack.pipeline.market import Source, describe
from deepstack.pipeline.predict import predict
from deepstack.samples.split import calendar_cuts, split_by_time

ROUNDING = 1e-6
MOVES = """\
name: moves
seed: 5
data:
  synthetic: {symbols: 2, bars: 5000, interval: 1h, edge: 1.0}
features:
  groups: [price, volume, volatility]
labels:
  kind: horizons
  horizons: {lengths: [2h, 12h], volatility_bars: 48, every_bars: 3}
samples: {window_bars: 8, timeframes: [2h]}
model: {name: attentive_lstm, head: horizons, options: {units: 4}}
training: {strategy: none, jit_compile: false, epochs: 1, batch_size: 64}
evaluation: {calibration: platt, bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all, logistic]}
"""


@pytest.fixture(scope="module", params=["bar", "timeframes"])
def subject(request: pytest.FixtureRequest, finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run; nobody may write into its folder."""
    if request.param == "bar":
        return finished
    place = tmp_path_factory.mktemp("moves")
    (place / "moves.yaml").write_text(MOVES)
    folder = run_module.run(read_config(place / "moves.yaml"), out=place / "artifacts")
    return replace(finished, folder=folder, config_file=place / "moves.yaml", output="")


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
def outputs(subject: Any) -> Callable[[Market, pd.Timestamp], dict[str, np.ndarray]]:
    """Everything the artifact says of a market at or before a moment."""
    opened = open_artifact(subject.folder)
    config, network = opened.config, load_network(opened)
    served = tf.saved_model.load(str(subject.folder / "serving" / config.name / "1")).signatures["serving_default"]
    entry = catalogue.find(config.model.name)

    def say(market: Market, moment: pd.Timestamp) -> dict[str, np.ndarray]:
        times = {name: candles.frame.loc[:moment].index for name, candles in market.items()}
        early = pd.concat([pd.DataFrame({"symbol": name, "decision_time": index}) for name, index in times.items()])
        seen = see(market, early, entry, config.features, config.samples, names=opened.features)
        inputs = {name: values[np.arange(len(values))] for name, values in seen.inputs.items()}
        with mock.patch("deepstack.pipeline.predict.load_network", return_value=network):
            signals = predict(subject.folder, market)
        signals = signals[signals["decision_time"] <= moment]
        exported = served(**{name: tf.constant(values) for name, values in inputs.items()})
        return {
            **inputs,
            "signals": signals.select_dtypes(exclude="float").to_numpy(),
            "probability": signals.select_dtypes("float").drop(columns="position").to_numpy(),
            **{f"served {name}": values.numpy() for name, values in exported.items()},
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
def moments(subject: Any) -> list[pd.Timestamp]:
    """Closes of bars that asked for a decision while a bar of 2 hours was open, which must not be seen yet."""
    asked = decision_rows(subject.market["SYN02"], read_config(subject.config_file).labels)["decision_time"]
    within = asked[asked.dt.hour % 2 == 1].tolist()
    return [within[len(within) // 3], within[-10]]


def test_no_output_moves_when_later_bars_do(subject: Any, outputs: Callable, moments: list[pd.Timestamp]) -> None:
    for seed, moment in enumerate(moments):
        before = outputs(subject.market, moment)
        after = outputs(other_bars_after(subject.market, moment, seed), moment)
        assert len(before["features"]) > 500
        assert len(before["probability"]) > 50
        assert not moved(before, after)


def test_no_output_moves_when_later_bars_are_missing(
    subject: Any, outputs: Callable, moments: list[pd.Timestamp]
) -> None:
    moment = moments[-1]
    cut = {name: Candles(name, c.interval, c.frame.loc[:moment]) for name, c in subject.market.items()}
    assert not moved(outputs(subject.market, moment), outputs(cut, moment))


def test_one_feature_that_peeks_one_bar_ahead_is_seen(
    subject: Any, outputs: Callable, moments: list[pd.Timestamp], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = open_artifact(subject.folder).features[0]
    honest = FEATURES[name]

    def peek(bars: Any) -> np.ndarray:
        values = np.array(honest.compute(bars))
        values[:-1] += (bars.close[1:] / bars.close[:-1] - 1.0) * 10.0
        return values

    monkeypatch.setitem(FEATURES, name, replace(honest, compute=peek))
    moment = moments[-1]
    before = outputs(subject.market, moment)
    after = outputs(other_bars_after(subject.market, moment, 1), moment)
    assert {"features", "probability", "served probability"} <= set(moved(before, after))


@pytest.mark.parametrize("subject", ["timeframes"], indirect=True)
def test_a_coarser_bar_shown_before_it_has_closed_is_seen(
    subject: Any, outputs: Callable, moments: list[pd.Timestamp], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = FeatureTable.locate_last

    def early(table: FeatureTable, symbols: Any, times: Any, interval: pd.Timedelta) -> np.ndarray:
        return honest(table, symbols, times + pd.Timedelta("1h"), interval)

    monkeypatch.setattr(FeatureTable, "locate_last", early)
    moment = moments[-1]
    before = outputs(subject.market, moment)
    found = moved(before, outputs(other_bars_after(subject.market, moment, 1), moment))
    assert {"features_2h", "probability", "served probability"} <= set(found)
    assert "features" not in found


# The fitted state


def found_in(market: Market, subject: Any) -> samples_module.Found:
    config = read_config(subject.config_file)
    return samples_module.find(market, config, catalogue.find(config.model.name))


@pytest.fixture(scope="module")
def fitted_until(subject: Any) -> pd.Timestamp:
    """Close of the last bar that a label of training or validation may have seen."""
    config, found = read_config(subject.config_file), found_in(subject.market, subject)
    interval = next(iter(subject.market.values())).interval
    cuts = calendar_cuts(found.seen.bar_times, config.split)
    split = split_by_time(found.labels.samples, cuts, interval, config.split.embargo_bars)
    last = split.test_cut - (config.split.embargo_bars + 1) * interval
    ends = found.labels.samples["end_time"]
    assert ends.iloc[np.concatenate([split.train, split.validation])].max() <= last
    return last


def bounds_of(scalers: Mapping[str, Any]) -> list[np.ndarray]:
    """All that the scalers of the inputs were fitted to."""
    found = []
    for scaler in scalers.values():
        clip, standard = scaler["clip"].kw_args, scaler["standardise"]
        found += [clip["a_min"], clip["a_max"], standard.mean_, standard.scale_]
    return found


def state_of(folder: Path) -> list[Any]:
    """All that a run fits: names, scalers, priors, weights, thresholds, calibrations."""
    opened = open_artifact(folder)
    assert opened.priors is not None
    weights = load_network(opened).get_weights()
    names, thresholds = np.array(opened.features), np.array(opened.thresholds)
    calibrations = [np.array([one.slope, *one.offset]) for one in opened.calibrations]
    return [names, *bounds_of(opened.scalers), opened.priors, thresholds, *calibrations, *weights]


@pytest.mark.slow
def test_the_fitted_state_does_not_move_with_bars_after_its_last_label(
    subject: Any, fitted_until: pd.Timestamp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_bars_after(subject.market, fitted_until, seed=3)
    config = read_config(subject.config_file)
    monkeypatch.setattr(run_module, "load_source", lambda *_: Source(other, {**describe(other), "source": "files"}))
    folder = run_module.run(config, out=tmp_path)
    assert folder is not None
    before, after = state_of(subject.folder), state_of(folder)
    assert len(before) == len(after) > 25
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)
    opened = [open_artifact(f).manifest.data["fingerprint"] for f in (subject.folder, folder)]
    assert opened[0] != opened[1]


def scaled_state(market: Market, subject: Any) -> list[np.ndarray]:
    """What is fitted before the training that follows from it: names, scalers, weights, priors, early samples."""
    interval = next(iter(market.values())).interval
    parts = samples_module.slices(found_in(market, subject), interval, read_config(subject.config_file))
    rows = np.concatenate([parts.split.train, parts.split.validation])
    assert parts.priors is not None
    known = [*(values[rows] for values in parts.inputs.values()), parts.y[rows], parts.weight[rows], parts.priors]
    return [np.array(parts.names), *bounds_of(parts.scalers), *known]


def test_a_scaler_fitted_on_all_samples_is_seen(
    subject: Any, fitted_until: pd.Timestamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_bars_after(subject.market, fitted_until, seed=3)
    honest = [scaled_state(market, subject) for market in (subject.market, other)]
    assert all(np.array_equal(one, two) for one, two in zip(*honest, strict=True))

    seen_rows = samples_module.seen_rows
    monkeypatch.setattr(samples_module, "seen_rows", lambda values, _: seen_rows(values, np.arange(len(values))))
    leaking = [scaled_state(market, subject) for market in (subject.market, other)]
    assert not all(np.array_equal(one, two) for one, two in zip(*leaking, strict=True))


def test_cuts_taken_from_the_trades_are_seen(
    subject: Any, fitted_until: pd.Timestamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How many trades a slice holds depends on its prices: the share of trades would let test prices move the cut.
    quiet = {}
    for name, candles in subject.market.items():
        frame = candles.frame.copy()
        after = np.flatnonzero(frame.index > fitted_until)
        prices = frame.columns.get_indexer(["open", "high", "low", "close"])
        frame.iloc[after[: len(after) // 2], prices] = frame["close"].iloc[after[0] - 1]
        quiet[name] = Candles(name, candles.interval, frame)
    honest = [scaled_state(market, subject) for market in (subject.market, quiet)]
    assert all(np.array_equal(one, two) for one, two in zip(*honest, strict=True))

    slices = samples_module.slices

    def by_trades(found: Any, interval: pd.Timedelta, config: Any) -> Any:
        times = found.labels.samples["decision_time"].dt.tz_localize(None).to_numpy("datetime64[ms]")
        return slices(replace(found, seen=replace(found.seen, bar_times=times)), interval, config)

    monkeypatch.setattr(samples_module, "slices", by_trades)
    leaking = [scaled_state(market, subject) for market in (subject.market, quiet)]
    assert not all(np.array_equal(one, two) for one, two in zip(*leaking, strict=True))
