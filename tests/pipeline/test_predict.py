"""Scoring and judging with a finished artifact: the same numbers by every path."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepstack.artifact.load import open_artifact
from deepstack.artifact.manifest import verify_manifest
from deepstack.candles.market import Candles, Market
from deepstack.candles.synthetic import make_market
from deepstack.cli.app import main
from deepstack.config.data import SyntheticConfig
from deepstack.config.features import FeaturesConfig
from deepstack.config.read import read_config
from deepstack.features.catalogue import MAX_LOOKBACK_BARS
from deepstack.features.table import latest_row, make_table
from deepstack.labels.breakout import find_breakouts
from deepstack.pipeline.evaluate import evaluate
from deepstack.pipeline.predict import predict, predict_and_count
from deepstack.pipeline.samples import candidates


def part(market: Market, rows: slice) -> Market:
    return {name: Candles(name, c.interval, c.frame.iloc[rows]) for name, c in market.items()}


def write_market(market: Market, folder: Path) -> Path:
    folder.mkdir()
    for name, candles in market.items():
        frame = candles.frame.reset_index()
        frame.insert(0, "open_time", (frame.pop("close_time") - candles.interval).astype("int64"))
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def signals(finished: Any) -> pd.DataFrame:
    return predict(finished.folder, finished.market)


@pytest.fixture(scope="module")
def served(finished: Any) -> Any:
    return tf.saved_model.load(str(finished.folder / "serving" / "tiny" / "1")).signatures["serving_default"]


def test_evaluating_the_runs_own_candles_repeats_its_test_block(finished: Any) -> None:
    found = evaluate(finished.folder, finished.market)
    wanted = finished.report["test"]
    assert found["trades"] == finished.report["samples"]["test"]
    for name in ("auc", "log_loss", "brier", "ece", "expectancy_r", "coverage", "sharpe", "max_drawdown"):
        assert found[name] == pytest.approx(wanted[name], rel=1e-5, abs=1e-7), name
    assert found["confusion"] == wanted["confusion"]
    assert found["data"]["left_out_as_seen"] > 0


def test_what_the_network_saw_is_left_out_under_any_name(finished: Any) -> None:
    renamed = {
        f"X{name}": Candles(f"X{name}", candles.interval, candles.frame) for name, candles in finished.market.items()
    }
    one, other = evaluate(finished.folder, finished.market), evaluate(finished.folder, renamed)
    assert one["data"]["left_out_as_seen"] == other["data"]["left_out_as_seen"]
    assert one["auc"] == other["auc"]


def test_breakouts_in_the_warm_up_are_counted(finished: Any) -> None:
    config, opened = read_config(finished.config_file), open_artifact(finished.folder)
    table, in_warmup = predict_and_count(finished.folder, finished.market)
    everything = sum(len(find_breakouts(candles, config.labels)[0]) for candles in finished.market.values())
    assert in_warmup > 0
    assert len(table) + in_warmup == everything
    found = candidates(finished.market, config.features, config.labels, names=opened.features)
    assert found.in_warmup <= in_warmup  # the newest breakouts have no outcome yet


def test_training_and_scoring_see_the_same_features(finished: Any, signals: pd.DataFrame) -> None:
    opened = open_artifact(finished.folder)
    found = candidates(finished.market, FeaturesConfig(), opened.config.labels, names=opened.features)
    table = make_table(finished.market, names=opened.features)
    rows = table.locate(found.trades["symbol"], found.trades["decision_time"])
    np.testing.assert_array_equal(table.values[rows], found.features)
    keys = set(zip(signals["symbol"], signals["decision_time"], strict=True))
    assert keys >= set(zip(found.trades["symbol"], found.trades["decision_time"], strict=True))


def test_the_savedmodel_gives_the_same_probability_and_decision(
    finished: Any, signals: pd.DataFrame, served: Any
) -> None:
    table = make_table(finished.market, names=open_artifact(finished.folder).features)
    rows = table.locate(signals["symbol"], signals["decision_time"])
    found = served(features=tf.constant(table.values[rows]))
    np.testing.assert_allclose(found["probability"], signals["probability"], atol=1e-5)
    np.testing.assert_array_equal(found["decision"], signals["decision"])


def test_a_trailing_window_gives_the_same_signals(finished: Any, signals: pd.DataFrame) -> None:
    tail = predict(finished.folder, part(finished.market, slice(-MAX_LOOKBACK_BARS - 200, None)))
    last = signals[signals["decision_time"] >= tail["decision_time"].min()].reset_index(drop=True)
    assert len(tail) > 20
    pd.testing.assert_frame_equal(tail.drop(columns="probability"), last.drop(columns="probability"))
    np.testing.assert_allclose(tail["probability"], last["probability"], atol=1e-4)


def test_one_new_bar_is_scored_as_in_the_whole(finished: Any, signals: pd.DataFrame, served: Any) -> None:
    names = open_artifact(finished.folder).features
    for signal in signals.tail(5).itertuples():
        until = {
            name: Candles(name, c.interval, c.frame.loc[: signal.decision_time]) for name, c in finished.market.items()
        }
        row = latest_row(part(until, slice(-MAX_LOOKBACK_BARS, None)), signal.symbol, names)
        found = served(features=tf.constant(row[None]))["probability"].numpy()[0]
        assert found == pytest.approx(signal.probability, abs=1e-4)


def test_commands_score_and_judge_later_candles(
    finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = make_market(SyntheticConfig(symbols=2, bars=6000), seed=99)
    folder = write_market(later, tmp_path / "candles")
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(finished.folder), "--data", str(folder), "--out", str(tmp_path / "signals.csv")])
    assert ended.value.code == 0
    table = pd.read_csv(tmp_path / "signals.csv")
    assert list(table) == ["symbol", "decision_time", "side", "probability", "decision"]
    wanted = predict(finished.folder, later)
    np.testing.assert_allclose(table["probability"], wanted["probability"], atol=1e-6)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(finished.folder), "--data", str(folder)])
    assert ended.value.code == 0
    block = json.loads(capsys.readouterr().out)
    assert block["trades"] > 100
    assert block["data"]["first"] >= verify_manifest(finished.folder).data["test_cut"]


def test_nothing_is_written_into_the_artifact(finished: Any) -> None:
    evaluate(finished.folder, finished.market)
    verify_manifest(finished.folder)


def test_no_breakout_is_an_empty_table(finished: Any) -> None:
    tail = part(finished.market, slice(-MAX_LOOKBACK_BARS - 1, None))
    flat = {
        name: Candles(name, c.interval, c.frame.assign(open=c.frame["close"].iloc[0], close=c.frame["close"].iloc[0]))
        for name, c in tail.items()
    }
    found = predict(finished.folder, {name: _inside(candles) for name, candles in flat.items()})
    assert list(found) == ["symbol", "decision_time", "side", "probability", "decision"]
    assert len(found) == 0


def _inside(candles: Candles) -> Candles:
    """The same bars with highs and lows that hold their prices."""
    frame = candles.frame.copy()
    frame["high"] = frame[["open", "high", "close"]].max(axis=1)
    frame["low"] = frame[["open", "low", "close"]].min(axis=1)
    return Candles(candles.symbol, candles.interval, frame)
