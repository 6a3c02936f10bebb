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
from deepstack.config.read import read_config
from deepstack.errors import DataError
from deepstack.features.catalogue import MAX_LOOKBACK_BARS
from deepstack.features.table import latest_row, make_table
from deepstack.labels.breakout import find_breakouts
from deepstack.models import catalogue
from deepstack.pipeline.evaluate import evaluate
from deepstack.pipeline.predict import load, predict
from deepstack.pipeline.samples import Found, find

COLUMNS = ["symbol", "decision_time", "side", "probability", "prediction", "confidence", "decision", "position"]


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
def found(finished: Any) -> Found:
    """What training saw, looked for with the artifact's features."""
    opened = open_artifact(finished.folder)
    entry = catalogue.find(opened.config.model.name)
    return find(finished.market, opened.config, entry, names=opened.features)


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


def test_breakouts_in_the_warm_up_are_counted(finished: Any, found: Found) -> None:
    config = read_config(finished.config_file)
    table, in_warmup = load(finished.folder).predict_and_count(finished.market)
    everything = sum(len(find_breakouts(candles, config.labels)[0]) for candles in finished.market.values())
    assert in_warmup > 0
    assert len(table) + in_warmup == everything
    assert 0 < found.unseen <= in_warmup  # the newest breakouts have no outcome yet


def test_training_and_scoring_see_the_same_features(finished: Any, found: Found, signals: pd.DataFrame) -> None:
    table = make_table(finished.market, names=open_artifact(finished.folder).features)
    trades = found.labels.samples
    rows = table.locate(trades["symbol"], trades["decision_time"])
    np.testing.assert_array_equal(table.values[rows], found.seen.inputs["features"])
    keys = set(zip(signals["symbol"], signals["decision_time"], strict=True))
    assert keys >= set(zip(trades["symbol"], trades["decision_time"], strict=True))


def test_rows_that_the_caller_holds_are_answered_alike(finished: Any, found: Found, signals: pd.DataFrame) -> None:
    predictor, rows = load(finished.folder), found.seen.inputs["features"][-40:]
    before, trades = rows.copy(), found.labels.samples.iloc[-40:]
    batch = predictor.predict_windows({"features": rows})
    wanted = trades[["symbol", "decision_time"]].merge(signals, how="left")
    np.testing.assert_allclose(batch["probability"], wanted["probability"], atol=1e-6)
    pd.testing.assert_frame_equal(predictor.predict_windows(rows[0]), batch.iloc[:1], rtol=1e-5)
    np.testing.assert_array_equal(rows, before)
    with pytest.raises(DataError, match=r"features: expected an array of \(\d+,\).*received \(40, 3\)"):
        predictor.predict_windows(rows[:, :3])


def test_a_position_is_the_share_of_the_possible_edge(finished: Any, signals: pd.DataFrame) -> None:
    (threshold,) = open_artifact(finished.folder).thresholds
    edge = (signals["probability"] - threshold) / (1.0 - threshold)
    np.testing.assert_allclose(signals["position"], edge.clip(lower=0.0))
    assert ((signals["position"] > 0.0) <= signals["decision"]).all()
    np.testing.assert_array_equal(signals["prediction"], np.where(signals["probability"] > 0.5, "won", "lost"))
    np.testing.assert_allclose(signals["confidence"], 0.5 + np.abs(signals["probability"] - 0.5))


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
    numbers = ["probability", "confidence", "position"]
    pd.testing.assert_frame_equal(tail.drop(columns=numbers), last.drop(columns=numbers))
    np.testing.assert_allclose(tail[numbers], last[numbers], atol=2e-4)


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
    assert list(table) == COLUMNS
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
    assert list(found) == COLUMNS
    assert len(found) == 0


def test_breakouts_that_all_lie_in_the_warm_up_are_an_empty_table_and_a_count(
    finished: Any, signals: pd.DataFrame
) -> None:
    warmup = make_table(finished.market, names=open_artifact(finished.folder).features).warmup_bars
    quiet = set(range(1000, 4000)) - {
        candles.frame.index.get_loc(time)
        for name, candles in finished.market.items()
        for time in signals.loc[signals["symbol"] == name, "decision_time"]
    }
    last = min(quiet)
    table, in_warmup = load(finished.folder).predict_and_count(part(finished.market, slice(last - warmup, last + 1)))
    assert list(table) == COLUMNS
    assert len(table) == 0
    assert in_warmup > 10
    with pytest.raises(DataError, match="bars to decide at after the warm-up"):
        evaluate(finished.folder, part(finished.market, slice(last - warmup, last + 1)))


def _inside(candles: Candles) -> Candles:
    """The same bars with highs and lows that hold their prices."""
    frame = candles.frame.copy()
    frame["high"] = frame[["open", "high", "close"]].max(axis=1)
    frame["low"] = frame[["open", "low", "close"]].min(axis=1)
    return Candles(candles.symbol, candles.interval, frame)
