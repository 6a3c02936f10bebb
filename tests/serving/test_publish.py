"""Publishing: whole versions, numbers never used twice, labels beside what others wrote, nothing after a failure."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from deepstack.artifact.load import Artifact, open_artifact
from deepstack.artifact.manifest import sha256
from deepstack.errors import ArtifactError
from deepstack.serving.publish import label_published, labels_in, publish, published_from, versions_in

ROOT = Path(__file__).resolve().parents[2]

OTHERS = """\
model_config_list {
  config {
    name: "foreign"
    base_path: "s3://bucket/foreign"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 7 } }
    version_labels { key: "stable" value: 7 }
  }
}
"""


def parsed(models: Path) -> dict[str, Any]:
    config = text_format.Parse((models / "models.config").read_text(), ModelServerConfig())
    return {entry.name: entry for entry in config.model_config_list.config}


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_a_version_is_the_artifacts_saved_model_and_its_record(artifact: Artifact, tmp_path: Path) -> None:
    done = publish(artifact, tmp_path / "models")
    assert (done.name, done.version, done.folder) == ("tiny", 1, tmp_path / "models" / "tiny" / "1")
    there = files(done.folder)
    record = json.loads((done.folder / "assets.extra/deepstack.json").read_text())
    assert there.pop("assets.extra/deepstack.json")
    assert there == files(artifact.folder / "serving" / "tiny" / "1")
    assert record["features"] == list(artifact.features)
    assert record["inputs"] == {"features": {"dtype": "float32", "shape": [-1, len(artifact.features)]}}
    assert record["outputs"]["decision"] == {"dtype": "bool", "shape": [-1]}
    assert record["window_bars"] is None
    assert (record["name"], record["run"], record["model"]) == ("tiny", artifact.folder.name, "ultimate")
    assert (record["interval_s"], record["symbols"]) == (3600.0, ["SYN01", "SYN02"])
    assert record["thresholds"] == list(artifact.thresholds)
    assert record["outputs_named"] == ["won"]


def test_a_published_version_answers_as_the_artifact_does(artifact: Artifact, tmp_path: Path) -> None:
    import tensorflow as tf

    done = publish(artifact, tmp_path)
    rows = tf.constant(np.random.default_rng(0).normal(size=(5, len(artifact.features))), tf.float32)
    answers = []
    for folder in (done.folder, artifact.folder / "serving" / "tiny" / "1"):
        loaded = tf.saved_model.load(str(folder))
        answers.append(loaded.signatures["serving_default"](features=rows)["probability"].numpy())
    np.testing.assert_array_equal(*answers)


def test_numbers_are_never_used_twice(artifact: Artifact, tmp_path: Path) -> None:
    assert [publish(artifact, tmp_path).version for _ in range(3)] == [1, 2, 3]
    shutil.rmtree(tmp_path / "tiny" / "3")
    shutil.rmtree(tmp_path / "tiny" / "2")
    assert publish(artifact, tmp_path).version == 4
    (tmp_path / "tiny" / "0017").mkdir()  # TensorFlow Serving takes it for version 17
    (tmp_path / "tiny" / "99x").mkdir()
    assert publish(artifact, tmp_path).version == 18
    assert versions_in(tmp_path / "tiny") == [1, 4, 17, 18]


def test_a_label_that_names_a_version_removed_since_does_not_free_its_number(
    artifact: Artifact, tmp_path: Path
) -> None:
    publish(artifact, tmp_path)
    (tmp_path / "tiny" / ".last_version").unlink()
    entry = 'config { name: "tiny" base_path: "/models/tiny" version_labels { key: "stable" value: 8 } }'
    (tmp_path / "models.config").write_text(f"model_config_list {{ {entry} }}")
    assert publish(artifact, tmp_path).version == 9


def test_two_publishers_at_once_get_different_numbers(artifact: Artifact, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deepstack", "publish", str(artifact.folder), str(tmp_path / "models")]
    both = [
        subprocess.Popen(
            [*command, "--label", label], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for label in ("one", "two")
    ]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert versions_in(tmp_path / "models" / "tiny") == [1, 2]
    assert sorted(labels_in(tmp_path / "models", "tiny").values()) == [1, 2]
    assert sorted(out.split()[1] for out, _ in outputs) == ["1", "2"]


def test_a_label_stands_beside_what_others_wrote(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(OTHERS)
    publish(artifact, tmp_path, label="stable")
    publish(artifact, tmp_path, label="canary")
    entries = parsed(tmp_path)
    before = text_format.Parse(OTHERS, ModelServerConfig()).model_config_list.config[0]
    assert entries["foreign"] == before
    tiny = entries["tiny"]
    assert dict(tiny.version_labels) == {"stable": 1, "canary": 2}
    assert (tiny.base_path, tiny.model_platform) == ("/models/tiny", "tensorflow")
    # Under `specific` a server refuses the label before it has loaded the version, and so never loads it.
    assert tiny.model_version_policy.WhichOneof("policy_choice") == "all"


def test_without_a_label_the_newest_version_is_served(artifact: Artifact, tmp_path: Path) -> None:
    publish(artifact, tmp_path, served_at="gs://bucket/models/")
    tiny = parsed(tmp_path)["tiny"]
    assert not tiny.version_labels
    assert tiny.model_version_policy.WhichOneof("policy_choice") is None  # the server's own: the newest
    assert tiny.base_path == "gs://bucket/models/tiny"
    publish(artifact, tmp_path, label="canary")
    assert parsed(tmp_path)["tiny"].base_path == "gs://bucket/models/tiny"


def test_a_label_moves_to_a_version_published_before(artifact: Artifact, other: Artifact, tmp_path: Path) -> None:
    publish(artifact, tmp_path, label="stable")
    publish(other, tmp_path, label="canary")
    assert (published_from(artifact, tmp_path), published_from(other, tmp_path)) == ([1], [2])
    label_published(other, tmp_path, label="stable", version=2)
    assert labels_in(tmp_path, "tiny") == {"canary": 2, "stable": 2}
    assert versions_in(tmp_path / "tiny") == [1, 2]
    with pytest.raises(ArtifactError, match="published from"):
        label_published(other, tmp_path, label="stable", version=1)
    with pytest.raises(ArtifactError, match="published from"):
        label_published(other, tmp_path, label="stable", version=3)
    assert labels_in(tmp_path, "tiny") == {"canary": 2, "stable": 2}


def test_keep_removes_old_versions_without_a_label(artifact: Artifact, tmp_path: Path) -> None:
    publish(artifact, tmp_path, label="stable")
    for _ in range(3):
        publish(artifact, tmp_path)
    done = publish(artifact, tmp_path, label="canary", keep=2)
    assert done.removed == (2, 3)
    assert versions_in(tmp_path / "tiny") == [1, 4, 5]
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == {"1", "4", "5", ".last_version"}


@pytest.mark.parametrize(
    "fails", ["saved_model.pb", "variables.data", "deepstack.json", "models.config", "last_version"]
)
def test_a_full_disk_leaves_nothing(
    artifact: Artifact, tmp_path: Path, full_disk: Callable[[str], None], fails: str
) -> None:
    publish(artifact, tmp_path / "old", label="stable")
    before = files(tmp_path / "old")
    full_disk(fails)
    for models in ("old", "new/deeper"):
        with pytest.raises(ArtifactError, match=r"no space left.* or another folder of models"):
            publish(artifact, tmp_path / models, label="canary")
    assert files(tmp_path / "old") == before
    assert {path.name for path in tmp_path.iterdir()} == {"old"}


def test_what_a_killed_publisher_left_is_cleared(artifact: Artifact, tmp_path: Path) -> None:
    publish(artifact, tmp_path)
    (tmp_path / "tiny" / ".part-123").mkdir()
    (tmp_path / "tiny" / ".part-123" / "saved_model.pb").write_bytes(b"half")
    (tmp_path / ".part-123-models.config").write_text("half")
    publish(artifact, tmp_path)
    assert not list(tmp_path.rglob(".part-*"))


def test_an_altered_artifact_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(artifact.folder, folder)
    opened = open_artifact(folder)
    weights = folder / "serving" / "tiny" / "1" / "variables" / "variables.index"
    weights.write_bytes(weights.read_bytes() + b"x")  # after it was verified
    with pytest.raises(ArtifactError, match="the file was changed"):
        publish(opened, tmp_path / "models")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list { config { nmae: 'x' } }", "no field named"),
        ("custom_model_config { }", "model_config_list"),
        (OTHERS.replace("foreign", "tiny"), "all {}"),
        ("\xff\xfe", "text protobuf"),
    ],
)
def test_a_models_config_that_cannot_be_used_stays_as_it_is(
    artifact: Artifact, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "models.config").write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError, match=message):
        publish(artifact, tmp_path, label="canary")
    assert (tmp_path / "models.config").read_bytes() == text.encode("latin-1")
    assert not versions_in(tmp_path / "tiny")


@pytest.mark.parametrize("label", ["", "2", "a b", "a/b", "a:b", "x" * 64])
def test_a_label_must_fit_into_a_url(artifact: Artifact, tmp_path: Path, label: str) -> None:
    with pytest.raises(ArtifactError, match="a letter"):
        publish(artifact, tmp_path, label=label)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_version(artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from deepstack.cli.app import main

    models = str(tmp_path / "models")

    def run(*options: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["publish", str(artifact.folder), models, *options])
        return caught.value.code, *capsys.readouterr()

    assert run("--label", "canary")[:2] == (0, f"version 1 (canary): {models}/tiny/1\n")
    assert run("--keep", "1")[:2] == (0, f"version 2: {models}/tiny/2\n")
    assert run("--label", "stable", "--version", "1")[:2] == (0, f"version 1 (stable): {models}/tiny/1\n")
    for mistake in (("--version", "1"), ("--label", "9"), ("--served-at", "models")):
        code, _, error = run(*mistake)
        assert (code, error.count("\n")) == (2, 1)
        assert error.startswith("error: ")


@pytest.mark.parametrize("command", ["publish", "deploy"])
def test_the_commands_have_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from deepstack.cli.app import main

    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "Examples:\n" in text
    assert f"  deepstack {command} artifacts/my_run" in text
