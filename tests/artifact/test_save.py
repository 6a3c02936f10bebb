"""The files a run leaves load where a user loads them: in a fresh process, with as little as they promise to need."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepstack.artifact.atomic import disk_errors
from deepstack.artifact.export import Decision, export_saved_model
from deepstack.artifact.save import Trained, save_files
from deepstack.errors import ArtifactError
from deepstack.models.heads import binary_head

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("load_fresh.py")


@pytest.fixture(scope="module")
def saved(
    tmp_path_factory: pytest.TempPathFactory, networks: Mapping[str, Any], features: np.ndarray, scaler: Any
) -> dict[str, Path]:
    folders = {}
    for name, model in networks.items():
        folder = folders[name] = tmp_path_factory.mktemp(name)
        columns = tuple(f"f{i}" for i in range(features.shape[1]))
        trained = Trained(model, columns, decision_of(scaler))
        rows = [{"name": column, "unit": "1"} for column in columns]
        save_files(folder, name, trained, rows, {"features": features})
        np.save(folder.parent / f"{name}_scaled.npy", scaler.transform(features).astype(np.float32))
    return folders


def decision_of(scaler: Any) -> Decision:
    return Decision({"features": scaler}, binary_head(), np.array([[0.6, 0.4]]), (0.5,))


def fresh(job: Mapping[str, Any], isolated: bool) -> None:
    command = [sys.executable, *(["-I"] if isolated else []), str(PROGRAM), json.dumps(job)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_files_have_their_names(saved: Mapping[str, Path]) -> None:
    names = {path.relative_to(saved["ultimate"]).as_posix() for path in saved["ultimate"].rglob("*") if path.is_file()}
    five = {"model.h5", "features.csv", "scaler.pkl", "threshold.pkl", "architecture.csv"}
    assert {"model.keras", *(f"ultimate_{name}" for name in five)} <= names
    assert {"serving/ultimate/1/saved_model.pb", "serving/ultimate/1/variables/variables.index"} <= names
    assert "serving/ultimate/1/assets.extra/tf_serving_warmup_requests" in names
    assert list(pd.read_csv(saved["ultimate"] / "ultimate_features.csv")["name"])[:2] == ["f0", "f1"]


def test_keras_reads_both_formats_once_the_layers_are_imported(
    saved: Mapping[str, Path], networks: Mapping[str, Any], tmp_path: Path
) -> None:
    jobs = [
        (str(folder / file), str(folder.parent / f"{name}_scaled.npy"), str(tmp_path / f"{file}.npy"), name)
        for name, folder in saved.items()
        for file in (f"{name}_model.h5", "model.keras")
    ]
    jobs = [(*job[:2], f"{job[2]}.{number}.npy", job[3]) for number, job in enumerate(jobs)]
    fresh({"what": "models", "models": [job[:3] for job in jobs]}, isolated=False)
    for _, scaled, result, name in jobs:
        wanted = networks[name]({"features": np.load(scaled)}, training=False)
        np.testing.assert_allclose(np.load(result), wanted, atol=1e-5)


def test_plain_joblib_opens_the_pickles(
    saved: Mapping[str, Path], features: np.ndarray, scaler: Any, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", features)
    files = {kind: str(saved["ultimate"] / f"ultimate_{kind}.pkl") for kind in ("scaler", "threshold")}
    files |= {"features": str(tmp_path / "x.npy"), "result": str(tmp_path / "y.npy")}
    fresh({"what": "pickles", **files}, isolated=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), scaler.transform(features))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a disk of some kilobytes."""
    mounted: list[Path] = []

    def make(size_kb: int) -> Path:
        place = tmp_path / f"disk_{size_kb}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "none", str(place)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("mounting a disk of a chosen size needs root")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_one_line(
    small_disk: Callable[[int], Path], networks: Mapping[str, Any], features: np.ndarray, scaler: Any
) -> None:
    folder = small_disk(400)
    trained = Trained(networks["ultimate"], tuple(map(str, range(features.shape[1]))), decision_of(scaler))
    with pytest.raises(ArtifactError, match=r"no space left on device — try freeing space") as caught:
        save_files(folder, "tiny", trained, [{"name": "a"}], {"features": features})
    assert "\n" not in str(caught.value)
    assert not list(folder.iterdir())


def test_a_disk_that_fills_up_under_tensorflow_is_one_line(
    small_disk: Callable[[int], Path], networks: Mapping[str, Any], features: np.ndarray, scaler: Any
) -> None:
    for size_kb in (4, 12, 60):
        folder = small_disk(size_kb)
        with pytest.raises(ArtifactError, match="no space left on device"), disk_errors(folder):
            export_saved_model(folder / "1", networks["ultimate"], decision_of(scaler), {"features": features}, "tiny")
