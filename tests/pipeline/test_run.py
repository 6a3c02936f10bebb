"""A whole run through the command line: its report, its manifest, its files."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from deepstack.artifact.load import open_artifact
from deepstack.artifact.manifest import verify_manifest
from deepstack.config.read import config_from_tree, read_config

NUMBER = (int, float)
PLACES = {
    "schema_version": int,
    "run": str,
    "verdict": str,
    "config": dict,
    "data": {"source": str, "symbols": list, "bars": int, "first": str, "last": str},
    "features": {"count": int, "warmup_bars": int},
    "samples": {
        "train": int,
        "val": int,
        "test": int,
        "purged": int,
        "gap_windows": int,
        "positive_rate": float,
    },
    "trials": int,
    "model": {"name": str, "layers": int, "parameters": int, "trainable_parameters": int},
    "timing_s": dict.fromkeys(
        ("read", "features", "labels", "build", "first_step", "train", "evaluate", "export", "total"), float
    ),
    "peak_rss_mb": NUMBER,
    "train_samples_per_s": NUMBER,
    "epochs": int,
    "threshold": float,
}
FIGURES = (
    "auc",
    "log_loss",
    "brier",
    "ece",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "coverage",
    "base_win_rate",
    "win_rate",
    "expectancy_r",
    "profit_factor",
    "sharpe",
    "sortino",
    "max_drawdown",
)
BASELINES = ("take_all", "logistic", "random_forest", "gradient_boosting")


def check(value: Any, wanted: Any, where: str) -> None:
    if isinstance(wanted, dict):
        assert isinstance(value, dict), where
        for key, inner in wanted.items():
            assert key in value, f"{where}.{key}"
            check(value[key], inner, f"{where}.{key}")
    else:
        assert isinstance(value, wanted), f"{where}: {value!r}"
        assert not isinstance(value, bool), where


def test_the_report_has_every_key_of_its_interface(finished: Any) -> None:
    check(finished.report, PLACES, "report")
    assert finished.report["config"]["name"] == "tiny"
    assert finished.report["data"]["source"] == "synthetic"
    for name, block in {"network": finished.report["test"], **finished.report["baselines"]}.items():
        for figure in FIGURES:
            assert block[figure] is None or isinstance(block[figure], NUMBER), f"{name}.{figure}"
        for interval in ("auc_ci95", "win_rate_ci95"):
            assert block[interval] is None or len(block[interval]) == 2, f"{name}.{interval}"
        assert sum(map(sum, block["confusion"])) == block["trades"] == finished.report["samples"]["test"]
    assert tuple(finished.report["baselines"]) == BASELINES


def test_the_report_adds_up(finished: Any) -> None:
    report = finished.report
    timing = report["timing_s"]
    stages = sum(timing[name] for name in ("read", "features", "labels", "build", "train", "evaluate", "export"))
    assert stages <= timing["total"]
    assert timing["first_step"] <= timing["train"]
    assert report["test"]["base_win_rate"] == report["baselines"]["take_all"]["win_rate"]
    assert report["baselines"]["take_all"]["coverage"] == 1.0
    assert -1.0 <= report["test"]["max_drawdown"] <= 0.0
    assert report["epochs"] == 3
    assert 0.0 < report["samples"]["positive_rate"] < 1.0
    assert json.loads((finished.folder / "report.json").read_text(), parse_constant=pytest.fail) == report
    assert all(math.isfinite(value) for value in timing.values())


def test_the_command_prints_plan_verdict_and_place(finished: Any) -> None:
    lines = finished.output.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["data", "model", "work", "memory", "time"]
    assert "\n".join(lines[-3:-1]) == finished.report["verdict"]
    assert lines[-2].startswith("Probability that its Sharpe ratio is no luck, ")
    assert lines[-1] == f"artifact: {finished.folder}"


def test_the_manifest_knows_every_file_and_the_config(finished: Any) -> None:
    manifest = verify_manifest(finished.folder)
    assert config_from_tree(manifest.config, "manifest") == read_config(finished.config_file)
    assert manifest.run == finished.folder.name
    assert len(manifest.features) == finished.report["features"]["count"]
    assert not list((finished.folder.parent / ".running").iterdir())


def test_the_folder_is_whole(finished: Any) -> None:
    names = {path.relative_to(finished.folder).as_posix() for path in finished.folder.rglob("*") if path.is_file()}
    five = {f"tiny_{name}" for name in ("model.h5", "features.csv", "scaler.pkl", "threshold.pkl", "architecture.csv")}
    rest = {"manifest.json", "report.json", "report.html", "model.keras", "training.csv", "plots/loss.png"}
    served = {"saved_model.pb", "variables/variables.index", "assets.extra/tf_serving_warmup_requests"}
    assert five | rest | {f"serving/tiny/1/{name}" for name in served} <= names
    assert not [name for name in names if ".part-" in name or name.endswith(".tmp")]


def test_the_five_files_agree_with_report_and_manifest(finished: Any) -> None:
    opened = open_artifact(finished.folder)
    rows = list(csv.DictReader((finished.folder / "tiny_features.csv").open()))
    assert tuple(row["name"] for row in rows) == opened.features
    assert opened.scalers["features"].n_features_in_ == len(rows)
    threshold = joblib.load(finished.folder / "tiny_threshold.pkl")
    assert (threshold,) == (finished.report["threshold"],) == opened.thresholds
    np.testing.assert_allclose(opened.priors, finished.report["samples"]["priors"])
    np.testing.assert_allclose(np.sum(opened.priors, axis=1), 1.0)
    layers = list(csv.DictReader((finished.folder / "tiny_architecture.csv").open()))
    assert len(layers) == finished.report["model"]["layers"] == 4 * 3 + 2 * 2 + 2 + 2 + 5 + 1


def test_training_is_on_record(finished: Any) -> None:
    with (finished.folder / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(float(row["epoch"])) for row in rows] == [1, 2, 3]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert len(list(Path(finished.folder / "checkpoints").glob("*.npz"))) <= 2
