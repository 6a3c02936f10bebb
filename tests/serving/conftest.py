"""Artifacts for serving: one run's, and another of the same name; two versions of a small network, and their server."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running_server import Running, export, running

from deepstack.artifact.load import Artifact, open_artifact
from deepstack.artifact.manifest import MANIFEST, _digest
from deepstack.serving.deploy import deploy


def rename(folder: Path, **changes: Any) -> None:
    """Change keys of a manifest and sign it anew."""
    tree = json.loads((folder / MANIFEST).read_text())
    tree.pop("sha256")
    tree |= changes
    (folder / MANIFEST).write_text(json.dumps({**tree, "sha256": _digest(tree)}))


@pytest.fixture(scope="session")
def artifact(finished: Any) -> Artifact:
    """The finished run's, verified."""
    return open_artifact(finished.folder)


@pytest.fixture(scope="session")
def other(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A later run of the same name."""
    return _later(finished.folder, tmp_path_factory.mktemp("other") / "tiny-later", "2999-01-01T00:00:00+00:00")


@pytest.fixture(scope="session")
def third(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """One later still."""
    return _later(finished.folder, tmp_path_factory.mktemp("third") / "tiny-third", "2999-01-02T00:00:00+00:00")


def _later(finished: Path, folder: Path, created: str) -> Artifact:
    shutil.copytree(finished, folder)
    rename(folder, run=folder.name, created=created)
    return open_artifact(folder)


@pytest.fixture(scope="session")
def made(artifact: Artifact, other: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment of a stable and a canary; nobody may write into it."""
    out = tmp_path_factory.mktemp("deployments") / "deployment"
    assert deploy([artifact, other], out).labels == {"tiny": {"canary": 2, "stable": 1}}
    return out


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the writing of every file whose name contains the given text fail as on a full disk."""
    import errno
    import os

    def fill(part_of_name: str) -> None:
        def refuse(name: object) -> None:
            if part_of_name in str(name):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(name))

        write_text, copyfile = Path.write_text, shutil.copyfile

        def guarded_text(self: Path, *arguments: Any, **options: Any) -> int:
            written = write_text(self, *arguments, **options)
            refuse(self)
            return written

        def guarded_copy(source: Any, target: Any, **options: Any) -> Any:
            copied = copyfile(source, target, **options)
            refuse(target)
            return copied

        monkeypatch.setattr(Path, "write_text", guarded_text)
        monkeypatch.setattr(shutil, "copyfile", guarded_copy)

    return fill


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a network, `1` and `2`, to be copied."""
    folder = tmp_path_factory.mktemp("versions")
    for number in (1, 2):
        export(folder / str(number), seed=number)
    return folder


@pytest.fixture(scope="session")
def models(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: `net` with both versions, labels on each."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(versions, folder / "net")
    (folder / "models.config").write_text(
        'model_config_list { config { name: "net" base_path: "/models/net" model_platform: "tensorflow" '
        "model_version_policy { all {} } "
        'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } } }'
    )
    return folder


@pytest.fixture(scope="session")
def served(models: Path) -> Iterator[Running]:
    with running(models) as one:
        yield one
