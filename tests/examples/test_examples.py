"""Every example runs as its first line says, on the artifact of a tiny run on a CSV made here."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from deepstack.candles.load import read_market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.labels.breakout import find_breakouts

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Trained:
    """The output of the training example, its candles and its artifact."""

    output: str
    candles: Path
    artifact: Path


def example(name: str, *arguments: object, folder: Path = ROOT, path: str = str(ROOT)) -> str:
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("examples")
    market = make_market(SyntheticConfig(symbols=2, bars=5000, interval="1h"), 3)
    frames = [candles.frame.reset_index().assign(symbol=name) for name, candles in market.items()]
    table = pd.concat(frames)
    table["timestamp"] = table.pop("close_time") - pd.Timedelta("1h")  # files carry opening times
    candles = folder / "candles.csv"
    table.to_csv(candles, index=False)
    output = example("train_your_own_csv.py", candles, folder=folder)
    (artifact,) = (path for path in (folder / "artifacts").iterdir() if path.is_dir() and not path.name.startswith("."))
    return Trained(output, candles, artifact)


def test_training_reports_the_network_beside_its_baselines(trained: Trained) -> None:
    report = json.loads((trained.artifact / "report.json").read_text())
    assert trained.output.startswith(report["verdict"])
    assert all(f"\n{name} AUC" in trained.output for name in report["baselines"])


def test_a_model_of_your_own_goes_through_the_whole_pipeline(tmp_path: Path) -> None:
    printed = example("register_your_own_model.py", folder=tmp_path)
    artifact = Path(re.search(r"^artifact: (.+)$", printed, re.MULTILINE)[1])  # type: ignore[index]
    report = json.loads((tmp_path / artifact / "report.json").read_text())
    assert report["verdict"].splitlines()[0] in printed
    assert (tmp_path / artifact / "serving" / "window_mean" / "1" / "saved_model.pb").exists()


def test_h5_and_saved_model_give_one_probability(trained: Trained) -> None:
    h5 = re.search(r"won: probability \[\S+ (\S+)\], take it: (True|False)", example("load_h5.py", trained.artifact))
    served = example("load_saved_model.py", trained.artifact, path="")
    probability = re.search(r"out: probability \[1\] (\S+)", served)
    assert h5
    assert probability
    assert float(h5[1]) == pytest.approx(float(probability[1]), abs=2e-6)
    assert f"out: decision [1] {h5[2]}" in served


def test_the_saved_model_needs_no_deepstack(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "deepstack.py").write_text("raise ImportError('not installed')")
    example("load_saved_model.py", trained.artifact, folder=tmp_path, path=str(tmp_path))
    example("pickles_with_joblib.py", trained.artifact, folder=tmp_path, path=str(tmp_path))


def test_the_keras_file_trains_on(trained: Trained) -> None:
    assert re.search(r"loss \d+\.\d{4}", example("load_keras.py", trained.artifact))


def test_the_latest_bar_is_scored_if_it_is_a_breakout(trained: Trained, tmp_path: Path) -> None:
    candles = read_market([trained.candles])[0]["SYN01"]
    rows, sides, _ = find_breakouts(candles, LabelsConfig())
    table = pd.read_csv(trained.candles)
    for last, is_breakout in ((rows[-1], True), (rows[-1] - 1, rows[-2] == rows[-1] - 1)):
        opened = candles.frame.index[last] - candles.interval
        kept = table[pd.to_datetime(table["timestamp"], utc=True) <= opened]
        kept.to_csv(tmp_path / "until_then.csv", index=False)
        output = example("score_latest_bar.py", trained.artifact, "SYN01", tmp_path / "until_then.csv")
        assert output.startswith(f"SYN01 {candles.frame.index[last]:%Y-%m-%d %H:%M}")
        if not is_breakout:
            assert "no breakout" in output
            continue
        names, values = (line.split() for line in output.splitlines()[-2:])
        answer = dict(zip(names, [values[0], " ".join(values[1:3]), *values[3:]], strict=True))  # a time is two words
        assert answer["symbol"] == "SYN01"
        assert int(answer["side"]) == sides[-1]
        assert 0 < float(answer["probability"]) < 1
