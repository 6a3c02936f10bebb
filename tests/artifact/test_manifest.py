"""An artifact is opened only when every byte of it is the one the run wrote."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from deepstack.artifact.load import load_pickle, open_artifact
from deepstack.artifact.manifest import MANIFEST, verify_manifest, write_manifest
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError

PRIORS = [[0.625, 0.375]]
CONFIG = read_config(None, ["name=tiny", "seed=11", "training.epochs=2"])


class Bomb:
    """A pickle that leaves a mark when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny-1"
    (folder / "serving" / "tiny" / "1").mkdir(parents=True)
    (folder / "serving" / "tiny" / "1" / "saved_model.pb").write_bytes(b"graph")
    (folder / "report.json").write_text("{}")
    joblib.dump(StandardScaler().fit(np.arange(12.0).reshape(6, 2)), folder / "tiny_scaler.pkl")
    joblib.dump(0.5625, folder / "tiny_threshold.pkl")
    write_manifest(folder, CONFIG, run="tiny-1", data={"source": "synthetic", "priors": PRIORS}, features=("a", "b"))
    return folder


def test_the_manifest_tells_how_the_artifact_came_about(artifact: Path) -> None:
    tree = json.loads((artifact / MANIFEST).read_text())
    assert tree["config"]["training"]["epochs"] == 2
    assert tree["seed"] == 11
    assert tree["features"] == ["a", "b"]
    assert {"python", "deepstack", "tensorflow", "keras", "numpy", "pandas", "scikit-learn"} <= set(tree["versions"])
    assert set(tree["files"]) == {
        "report.json",
        "tiny_scaler.pkl",
        "tiny_threshold.pkl",
        "serving/tiny/1/saved_model.pb",
    }
    assert all(len(digest) == 64 for digest in tree["files"].values())


def test_an_intact_artifact_opens_whole(artifact: Path) -> None:
    opened = open_artifact(artifact)
    assert opened.config == CONFIG
    assert opened.features == ("a", "b")
    assert opened.thresholds == (0.5625,)
    assert list(opened.scalers) == ["features"]
    assert opened.scalers["features"].n_features_in_ == 2
    np.testing.assert_array_equal(opened.priors, PRIORS)
    assert opened.path("model.h5") == artifact / "tiny_model.h5"


def test_several_inputs_and_outputs_open_by_name_and_in_order(artifact: Path) -> None:
    scaler = joblib.load(artifact / "tiny_scaler.pkl")
    joblib.dump({"features": scaler, "features_5min": scaler}, artifact / "tiny_scaler.pkl")
    joblib.dump([0.25, 0.125], artifact / "tiny_threshold.pkl")
    write_manifest(artifact, CONFIG, run="tiny-1", data={"priors": None}, features=("a", "b"))
    opened = open_artifact(artifact)
    assert opened.thresholds == (0.25, 0.125)
    assert list(opened.scalers) == ["features", "features_5min"]
    assert opened.priors is None


@pytest.mark.parametrize("threshold", ["0.5x", None, [None, 0.5]])
def test_a_threshold_that_is_no_number_is_named(artifact: Path, threshold: object) -> None:
    joblib.dump(threshold, artifact / "tiny_threshold.pkl")
    write_manifest(artifact, CONFIG, run="tiny-1", data={"priors": None}, features=("a", "b"))
    with pytest.raises(ArtifactError, match=r"tiny_threshold\.pkl: expected one number an output"):
        open_artifact(artifact)


@pytest.mark.parametrize("name", ["report.json", "tiny_scaler.pkl", "serving/tiny/1/saved_model.pb"])
def test_one_changed_byte_is_refused(artifact: Path, name: str) -> None:
    data = bytearray((artifact / name).read_bytes())
    data[-1] ^= 1
    (artifact / name).write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match=name):
        open_artifact(artifact)


def test_a_missing_file_is_named(artifact: Path) -> None:
    (artifact / "report.json").unlink()
    with pytest.raises(ArtifactError, match=r"report\.json.*no such file"):
        verify_manifest(artifact)


def test_an_added_file_is_named(artifact: Path) -> None:
    (artifact / "serving" / "tiny" / "1" / "extra.so").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"extra\.so.*added"):
        verify_manifest(artifact)


def test_a_link_to_outside_is_no_part_of_the_artifact(artifact: Path) -> None:
    (artifact / "assets").symlink_to(artifact.parent, target_is_directory=True)
    with pytest.raises(ArtifactError, match="assets"):
        verify_manifest(artifact)


def test_a_file_that_became_a_link_is_refused_even_to_equal_bytes(artifact: Path) -> None:
    (artifact / "report.json").rename(artifact.parent / "elsewhere.json")
    (artifact / "report.json").symlink_to(artifact.parent / "elsewhere.json")
    with pytest.raises(ArtifactError, match=r"report\.json.*received a link"):
        verify_manifest(artifact)


def test_a_file_that_became_a_pipe_is_refused_without_waiting_for_its_bytes(artifact: Path) -> None:
    (artifact / "report.json").unlink()
    os.mkfifo(artifact / "report.json")
    with pytest.raises(ArtifactError, match=r"report\.json"):
        verify_manifest(artifact)


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda tree: tree.pop(key)


def swap(key: str, value: object) -> Callable[[dict[str, Any]], Any]:
    return lambda tree: tree.update({key: value})


@pytest.mark.parametrize(
    "edit",
    [
        *(without(key) for key in ("run", "config", "data", "features", "files", "versions", "sha256")),
        swap("features", ["b", "a"]),
        swap("data", {"source": "files"}),
        swap("sha256", "0" * 64),
        swap("more", 1),
        lambda tree: tree["config"]["labels"].update(fee_bps=0.0),
    ],
)
def test_an_edited_manifest_is_refused(artifact: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    tree = json.loads((artifact / MANIFEST).read_text())
    edit(tree)
    (artifact / MANIFEST).write_text(json.dumps(tree))
    with pytest.raises(ArtifactError, match=r"manifest\.json: .*the file was changed"):
        verify_manifest(artifact)


def test_the_layout_of_a_manifest_does_not_matter(artifact: Path) -> None:
    whole = verify_manifest(artifact)
    tree = json.loads((artifact / MANIFEST).read_text())
    (artifact / MANIFEST).write_text(json.dumps(dict(reversed(tree.items()))))
    assert verify_manifest(artifact) == whole


def test_a_swapped_pickle_is_refused_before_it_is_opened(artifact: Path) -> None:
    mark = artifact.parent / "opened"
    joblib.dump(Bomb(mark), artifact / "tiny_scaler.pkl")
    with pytest.raises(ArtifactError, match=r"tiny_scaler\.pkl"):
        open_artifact(artifact)
    assert not mark.exists()


def test_a_pickle_swapped_after_verification_is_refused_too(artifact: Path) -> None:
    manifest, mark = verify_manifest(artifact), artifact.parent / "opened"
    joblib.dump(Bomb(mark), artifact / "tiny_threshold.pkl")
    with pytest.raises(ArtifactError, match=r"tiny_threshold\.pkl"):
        load_pickle(artifact, manifest, "tiny_threshold.pkl")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../tiny_scaler.pkl", "other.pkl"])
def test_a_name_the_manifest_does_not_list_is_refused(artifact: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="does not list"):
        load_pickle(artifact, verify_manifest(artifact), name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        "{}",
        '{"schema_version": 0, "versions": []}',
        '{"schema_version": 99}',
        '{"schema_version": 2, "files": {}}',
        '{"schema_version": 2}',
    ],
)
def test_a_damaged_manifest_is_one_line(artifact: Path, text: str) -> None:
    (artifact / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=MANIFEST) as caught:
        verify_manifest(artifact)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", [".", "absent"])
def test_what_is_no_artifact_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ArtifactError, match="an artifact"):
        open_artifact(tmp_path / folder)


def test_no_config_of_ours_holds_what_json_cannot(artifact: Path) -> None:
    assert RunConfig.model_validate_json(json.dumps(verify_manifest(artifact).config)) == CONFIG
