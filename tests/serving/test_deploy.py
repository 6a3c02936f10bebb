"""Deployments: the same bytes twice, brought up to date, nothing of others overwritten, nothing left by a full disk."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from deepstack.artifact.load import Artifact, open_artifact
from deepstack.errors import ArtifactError
from deepstack.serving.deploy import deploy
from deepstack.serving.publish import label_published, labels_in, publish, versions_in
from deepstack.serving.request_record import RECORD


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_models_are_published_with_labels(made: Path, artifact: Artifact, other: Artifact) -> None:
    config = text_format.Parse((made / "models.config").read_text(), ModelServerConfig())
    (tiny,) = config.model_config_list.config
    assert (tiny.name, tiny.base_path, tiny.model_platform) == ("tiny", "/models/tiny", "tensorflow")
    assert dict(tiny.version_labels) == {"stable": 1, "canary": 2}
    runs = [json.loads((made / "models/tiny" / version / RECORD).read_text())["run"] for version in ("1", "2")]
    assert runs == [artifact.manifest.run, other.manifest.run]


def test_models_config_is_the_one_publish_keeps(artifact: Artifact, tmp_path: Path) -> None:
    deploy([artifact], tmp_path / "out")
    publish(artifact, tmp_path / "out" / "models", label="canary")
    assert "canary" in (tmp_path / "out" / "models.config").read_text()
    (tmp_path / "out").rename(tmp_path / "moved")
    assert "canary" in (tmp_path / "moved" / "models.config").read_text()


def test_the_same_arguments_give_the_same_bytes(artifact: Artifact, other: Artifact, made: Path) -> None:
    before = digests(made)
    again = made.with_name("again")
    deploy([artifact, other], again)
    assert digests(again) == before
    deploy([artifact, other], made)
    assert digests(made) == before


def test_an_older_deployment_is_brought_up_to_date(artifact: Artifact, other: Artifact, tmp_path: Path) -> None:
    out = tmp_path / "out"
    deploy([artifact], out)
    record = json.loads((out / ".deploy.json").read_text())
    (out / "package/deepstack/gone.py").write_text("")
    record["package/deepstack/gone.py"] = hashlib.sha256(b"").hexdigest()
    (out / ".deploy.json").write_text(json.dumps(record))
    deploy([artifact, other], out)
    assert not (out / "package/deepstack/gone.py").exists()
    assert labels_in(out / "models", "tiny") == {"stable": 1, "canary": 2}
    label_published(other, out / "models", label="stable", version=2)
    assert deploy([artifact, other], out).labels == {"tiny": {"stable": 2, "canary": 2}}  # moved by hand: stays
    assert versions_in(out / "models" / "tiny") == [1, 2]


@pytest.mark.parametrize("what", ["foreign", "file", "edited", "added"])
def test_what_others_wrote_is_not_overwritten(artifact: Artifact, tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    if what == "file":
        out.write_text("mine")
    elif what == "foreign":
        out.mkdir()
        (out / "docker-compose.yml").write_text("mine")
    else:
        deploy([artifact], out)
        (out / ("docker-compose.yml" if what == "edited" else "kubernetes/mine.yaml")).write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(ArtifactError, match="another --out"):
        deploy([artifact], out)
    assert digests(tmp_path) == before


@pytest.mark.parametrize("fails", ["docker-compose.yml", "saved_model.pb", "autoscaler.yaml"])
def test_a_full_disk_leaves_no_deployment(
    artifact: Artifact, tmp_path: Path, full_disk: Callable[[str], None], fails: str
) -> None:
    full_disk(fails)
    with pytest.raises(ArtifactError, match="no space left"):
        deploy([artifact], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_models_published_elsewhere_are_used(artifact: Artifact, other: Artifact, tmp_path: Path) -> None:
    models = tmp_path / "with $dollar: and # mark"
    with pytest.raises(ArtifactError, match="deepstack publish"):
        deploy([artifact], tmp_path / "out", models)
    publish(other, models)
    with pytest.raises(ArtifactError, match="deepstack publish"):
        deploy([artifact], tmp_path / "out", models)
    assert not (tmp_path / "out").exists()
    publish(artifact, models)
    assert deploy([artifact], tmp_path / "out", models).labels == {"tiny": {}}
    assert not (tmp_path / "out" / "models").exists()
    assert (tmp_path / "out" / "models.config").read_text() == (models / "models.config").read_text()
    service = yaml.safe_load((tmp_path / "out" / "docker-compose.yml").read_text())["services"]["tensorflow-serving"]
    assert service["volumes"][0]["source"].replace("$$", "$") == str(models)
    assert "for path in tiny/metadata;" in service["healthcheck"]["test"][-1]  # no label stable to wait for


def test_a_third_of_a_name_and_one_named_twice_are_refused(
    artifact: Artifact, other: Artifact, third: Artifact, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="at most 2"):
        deploy([artifact, other, third], tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ArtifactError, match="each artifact once, received twice"):
        deploy([artifact, open_artifact(artifact.folder)], tmp_path / "out")


def test_the_command_says_what_is_where(artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from deepstack.cli.app import main

    out = str(tmp_path / "out")
    with pytest.raises(SystemExit) as caught:
        main(["deploy", str(artifact.folder), "--out", out])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"tiny: stable is version 1\ndeployment: {out}\n"
    (tmp_path / "out" / "docker-compose.yml").write_text("mine")
    with pytest.raises(SystemExit) as caught:
        main(["deploy", str(artifact.folder), "--out", out])
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
