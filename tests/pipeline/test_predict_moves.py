"""What `deepstack.load(…).predict(…)` says of moves: one row a decision and horizon, the same by every way in."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import deepstack
from deepstack.artifact.earned import unprofitable
from deepstack.cli.app import main
from deepstack.errors import ConfigError
from deepstack.models import catalogue
from deepstack.pipeline.evaluate import evaluate
from deepstack.pipeline.inputs import see
from deepstack.pipeline.position import position_size
from deepstack.pipeline.predict import Predictor

CLASSES = ["sell", "hold", "buy"]
OPENING = ["symbol", "decision_time", "horizon", *CLASSES, "prediction", "confidence"]
CLOSING = ["decision", "position"]
HORIZONS = ["5min", "15min"]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def predictor(tiny_run: Callable[[str], Path]) -> Callable[[str], Predictor]:
    return cache(lambda name: deepstack.load(tiny_run(name)))


@pytest.fixture(scope="module")
def answers(predictor: Callable[[str], Predictor], tiny_tail: Any) -> Callable[[str], pd.DataFrame]:
    return cache(lambda name: predictor(name).predict(tiny_tail))


@pytest.mark.parametrize(
    ("name", "uncertainty"), [("transformer_attention", ["aleatoric"]), ("attentive_lstm", []), ("episodic_memory", [])]
)
def test_each_decision_has_a_row_for_each_horizon(
    name: str, uncertainty: list[str], predictor: Callable[[str], Predictor], answers: Callable[[str], pd.DataFrame]
) -> None:
    found = answers(name)
    assert list(found) == OPENING + uncertainty + CLOSING
    assert len(found) > 200
    assert found["horizon"].tolist() == HORIZONS * (len(found) // 2)
    assert found["decision_time"].is_monotonic_increasing
    assert not found.duplicated(["symbol", "decision_time", "horizon"]).any()
    assert set(found["decision_time"].dt.minute % 4) == {0}

    probability = found[CLASSES].to_numpy()
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_array_equal(found["prediction"], np.array(CLASSES)[probability.argmax(axis=1)])
    np.testing.assert_array_equal(found["confidence"], probability.max(axis=1))
    for horizon, threshold in zip(HORIZONS, predictor(name).artifact.thresholds, strict=True):
        mine = (found["horizon"] == horizon).to_numpy()
        spread = {column: found.loc[mine, column].to_numpy() for column in uncertainty}
        position, decision = position_size(probability[mine], threshold, **spread)
        np.testing.assert_array_equal(found.loc[mine, "position"], position)
        np.testing.assert_array_equal(found.loc[mine, "decision"], decision)
    assert found["position"].abs().max() <= 1.0


@pytest.mark.parametrize("name", ["transformer_attention", "attentive_lstm", "episodic_memory"])
def test_a_single_window_is_answered_as_in_a_batch(
    name: str, predictor: Callable[[str], Predictor], answers: Callable[[str], pd.DataFrame], tiny_tail: Any
) -> None:
    opened, wanted = predictor(name), answers(name).tail(2 * 5).reset_index(drop=True)
    config, entry = opened.artifact.config, catalogue.find(name)
    moments = wanted.iloc[::2][["symbol", "decision_time"]]
    seen = see(tiny_tail, moments, entry, config.features, config.samples, names=opened.artifact.features)
    windows = {key: values[np.arange(5)] for key, values in seen.inputs.items()}
    numbers = wanted.select_dtypes("float")

    batch = opened.predict_windows(windows)
    np.testing.assert_allclose(batch[numbers.columns], numbers, rtol=1e-5, atol=1e-5)
    assert batch["horizon"].tolist() == HORIZONS * 5
    for row in range(5):
        one = opened.predict_windows({key: values[row] for key, values in windows.items()})
        np.testing.assert_allclose(one[numbers.columns], numbers.iloc[2 * row : 2 * row + 2], rtol=1e-5, atol=1e-5)


def test_evaluating_the_runs_own_candles_repeats_its_test_blocks(
    tiny_run: Callable[[str], Path], tiny_market: Any
) -> None:
    """The network that is loaded is the one that was trained, in whatever order its config lists the timeframes."""
    folder = tiny_run("attentive_lstm")
    found, wanted = evaluate(folder, tiny_market), json.loads((folder / "report.json").read_text())["test"]
    assert list(wanted) == [f"h{horizon}" for horizon in HORIZONS]
    for horizon, block in wanted.items():
        for name in ("auc", "log_loss", "brier", "accuracy", "coverage", "expectancy_r"):
            assert found[horizon][name] == pytest.approx(block[name], rel=1e-5, abs=1e-7), name
        assert found[horizon]["confusion"] == block["confusion"]


def test_passes_with_dropout_on_add_a_deviation_that_shrinks_positions(
    predictor: Callable[[str], Predictor], answers: Callable[[str], pd.DataFrame], tiny_tail: Any
) -> None:
    opened, sure = predictor("transformer_attention"), answers("transformer_attention")
    found = opened.predict(tiny_tail, mc_passes=4)
    assert list(found) == [*OPENING, "aleatoric", "epistemic", *CLOSING]
    assert (found["epistemic"] > 0.0).all()
    assert (found["aleatoric"] > 0.0).all()
    assert found["aleatoric"].std() > 0.0
    np.testing.assert_allclose(found[CLASSES], sure[CLASSES], atol=1e-6)
    np.testing.assert_array_equal(found["decision"], sure["decision"])
    taken = sure["position"] != 0.0
    assert taken.any()
    assert (found["position"].abs() < sure["position"].abs())[taken].all()
    assert (np.sign(found["position"]) == np.sign(sure["position"]))[taken].all()


def test_passes_of_a_network_without_dropout_are_refused(predictor: Callable[[str], Predictor], tiny_tail: Any) -> None:
    with pytest.raises(ConfigError, match=r"mc_passes: expected .* received 3 passes, dropout rates \[0\.0\] — try "):
        predictor("attentive_lstm").predict(tiny_tail, mc_passes=3)


def test_the_command_says_when_no_threshold_earned_anything(
    tiny_run: Callable[[str], Path], tail_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_run("transformer_attention")
    test = json.loads((folder / "report.json").read_text())["test"]
    losing = [h for h in HORIZONS if test[f"h{h}"]["validation"]["expectancy_r"] <= 0.0]
    with pytest.raises(SystemExit):
        main(["predict", str(folder), "--data", str(tail_files), "--out", str(tmp_path / "signals.csv")])
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(warned) == bool(losing)
    assert all(f"for {', '.join(losing)}: positions are" in line for line in warned)


def test_outputs_that_earned_nothing_are_named(tmp_path: Path) -> None:
    def named(test: dict[str, Any]) -> tuple[str, ...]:
        (tmp_path / "report.json").write_text(json.dumps({"test": test}))
        return unprofitable(SimpleNamespace(folder=tmp_path))  # type: ignore[arg-type]

    lost, won = ({"validation": {"expectancy_r": r}} for r in (-0.1, 0.1))
    assert named({"h5min": lost, "h15min": won}) == ("5min",)
    assert (named(lost), named(won)) == (("won",), ())


def test_every_horizon_has_its_plots(tiny_run: Callable[[str], Path]) -> None:
    drawn = {path.stem for path in (tiny_run("transformer_attention") / "plots").iterdir()}
    kinds = ("confusion", "calibration", "coverage", "equity")
    assert drawn >= {f"{kind}_{horizon}" for kind in kinds for horizon in HORIZONS}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Name and arguments of an example → what it prints."""

    def run(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", ["transformer_attention", "attentive_lstm", "episodic_memory"])
def test_the_examples_take_windows(
    name: str, tiny_run: Callable[[str], Path], tail_files: Path, example: Callable[..., str]
) -> None:
    folder = tiny_run(name)
    served, h5 = example("load_saved_model.py", folder), example("load_h5.py", folder)
    shares = [re.findall(r"0\.\d+", text) for text in (served.partition("out: probability")[2], h5)]
    np.testing.assert_allclose(np.array(shares[0][:6], float), np.array(shares[1], float), atol=3e-6)
    assert [line.split(":")[0] for line in h5.splitlines()] == HORIZONS
    assert example("pickles_with_joblib.py", folder).count("threshold ") == 2

    closed, header, *rows = example("score_latest_bar.py", folder, "SYN01", tail_files).splitlines()
    assert header.split()[:6] == OPENING[:6]
    assert [row.split()[3] for row in rows] == HORIZONS
    assert closed in rows[0]


def test_the_keras_file_of_windows_trains_on(tiny_run: Callable[[str], Path], example: Callable[..., str]) -> None:
    assert re.search(r"loss \d+\.\d{4}", example("load_keras.py", tiny_run("episodic_memory")))


def test_a_mistake_in_scoring_the_latest_bar_is_one_line(
    tiny_run: Callable[[str], Path], tail_files: Path, example: Callable[..., str]
) -> None:
    folder = tiny_run("attentive_lstm")
    for arguments, line in (
        ((folder,), "^usage: "),
        ((folder, "DOGE", tail_files), "^DOGE: expected one of SYN01, SYN02"),
        ((folder, "SYN01", tail_files / "absent.csv"), "^error: .*absent.csv"),
        ((tail_files, "SYN01", tail_files), "^error: .*manifest.json"),
    ):
        with pytest.raises(SystemExit, match=line):
            example("score_latest_bar.py", *arguments)


def test_the_serving_example_asks_by_the_servers_own_shapes(tiny_run: Callable[[str], Path], tmp_path: Path) -> None:
    """Docker and curl are played: the metadata are those of the SavedModel, the request is kept."""
    folder = tiny_run("episodic_memory")
    version = folder / "serving" / "moves" / "1"
    graph = SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs[0]
    signatures = {
        name: MessageToDict(one, preserving_proto_field_name=True) for name, one in graph.signature_def.items()
    }
    (tmp_path / "metadata").write_text(json.dumps({"metadata": {"signature_def": {"signature_def": signatures}}}))
    curl = f'case "$*" in */metadata) cat {tmp_path}/metadata;; *--data*) printf %s "$4" > {tmp_path}/request;; esac'
    for name, does in (("docker", "true"), ("curl", curl)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([EXAMPLES / "call_tensorflow_serving.sh", folder], env=environment, check=True)

    (row,) = json.loads((tmp_path / "request").read_text())["instances"]
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    answer = serve(**{name: tf.constant([values], specs[name].dtype) for name, values in row.items()})
    assert answer["probability"].shape == (1, 2, 3)
