"""Putting an artifact's SavedModel where TensorFlow Serving finds it: whole, under a number never used before."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from deepstack.artifact.alone import LOCK, alone
from deepstack.artifact.atomic import PART, disk_errors, flush, write_atomic
from deepstack.artifact.load import Artifact
from deepstack.artifact.manifest import altered, sha256
from deepstack.errors import ArtifactError
from deepstack.serving.models_config import (
    MODELS_CONFIG,
    SERVED_AT,
    check_label,
    entry_of,
    listed,
    read_models_config,
    set_label,
    to_text,
)
from deepstack.serving.request_record import RECORD, artifact_sha256, read_record, request_record, saved_model

LAST = ".last_version"
"""File beside the versions with the highest number ever given, so that a version removed does not free its number."""
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Published:
    """A version that TensorFlow Serving can load.

    Attributes:
        name: of the model.
        version: its number.
        folder: `<models>/<name>/<version>`.
        removed: older versions that went to make room, in order.
    """

    name: str
    version: int
    folder: Path
    removed: tuple[int, ...] = ()


def publish(
    artifact: Artifact,
    models: Path,
    *,
    label: str | None = None,
    keep: int | None = None,
    served_at: str = SERVED_AT,
) -> Published:
    """Copy a verified artifact's SavedModel to `<models>/<name>/<next number>`, in one step for a reader.

    `<models>/models.config` lists the model afterwards. Publishers of one folder take turns. TensorFlow Serving looks
    at folders whose names are numbers alone, so it sees the version when all its files are on disk.

    Args:
        artifact: from `open_artifact`, which verifies every file.
        models: TensorFlow Serving's folder of models; made where it is missing.
        label: recorded for the new version in `models.config`; taken from the version that had it.
        keep: remove all but the newest so many versions and the labelled ones.
        served_at: where the server sees `models`, for a model that `models.config` does not list yet.

    Raises:
        ArtifactError: the artifact was altered since or has no SavedModel, `models.config` cannot be used, or the disk
            is full or read-only; nothing is left behind then.
    """
    if label is not None:
        check_label(label)
    record, name = request_record(artifact), artifact.config.name
    with _disk_errors(models), _made(models / name), alone(models, "versions", _PATIENCE_S):
        config = read_models_config(models)
        entry = listed(config, name, served_at)
        version = _next_version(models / name, entry.version_labels.values())
        if label is not None:
            set_label(entry, label, version)
        with _staged(models, name) as (copy, text):
            _copy(artifact, copy)
            _write(copy / RECORD, json.dumps(record, indent=2, allow_nan=False) + "\n")
            flush(copy)
            _write(text, to_text(config))
            write_atomic(models / name / LAST, lambda part: part.write_text(f"{version}\n", encoding="utf-8"))
            # Nothing below needs room on the disk.
            copy.rename(models / name / str(version))
            text.replace(models / MODELS_CONFIG)
        flush(models / name)
        flush(models)
        removed = _prune(models / name, keep, set(entry.version_labels.values())) if keep is not None else ()
    return Published(name, version, models / name / str(version), removed)


def label_published(artifact: Artifact, models: Path, *, label: str, version: int) -> Published:
    """Give a label to a version that was published from this artifact before; nothing is copied.

    Raises:
        ArtifactError: there is no such version, it is of another artifact, or `models.config` cannot be used.
    """
    check_label(label)
    name = artifact.config.name
    folder = models / name / str(version)
    if version not in published_from(artifact, models):
        there = read_record(folder)
        raise ArtifactError(
            str(folder),
            expected=f"a version published from {artifact.folder}",
            received=f"one of the run {there.get('run')}" if there else "none" if not folder.is_dir() else "another's",
            remedy="deepstack publish without --version",
        )
    with _disk_errors(models), alone(models, "versions", _PATIENCE_S):
        config = read_models_config(models)
        set_label(listed(config, name), label, version)
        _write_config(models, config)
    return Published(name, version, folder)


def published_from(artifact: Artifact, models: Path) -> list[int]:
    """Versions in a folder of models that are copies of this artifact, in order."""
    folder, digest = models / artifact.config.name, artifact_sha256(artifact)
    records = {version: read_record(folder / str(version)) for version in versions_in(folder)}
    return [version for version, record in records.items() if record and record.get("artifact_sha256") == digest]


def versions_in(folder: Path) -> list[int]:
    """Versions of a model's folder as TensorFlow Serving counts them, in order; none where there is no folder."""
    return sorted(_folders(folder))


def _folders(folder: Path) -> dict[int, Path]:
    """Version → its folder, which may be named 00000003; a number that is no int64 is no version."""
    if not folder.is_dir():
        return {}
    named = (path for path in sorted(folder.iterdir()) if path.name.isascii() and path.name.isdigit())
    return {int(path.name): path for path in named if len(path.name) < 4000 and int(path.name) < 2**63}


def labels_in(models: Path, name: str) -> dict[str, int]:
    """Label → version, as `models.config` has them for one model."""
    entry = entry_of(read_models_config(models), name)
    return {} if entry is None else dict(sorted(entry.version_labels.items()))


def _next_version(folder: Path, labelled: Iterable[int]) -> int:
    last = folder / LAST
    text = last.read_text(encoding="utf-8").strip() if last.is_file() else "0"
    if not (text.isascii() and text.isdigit()):
        raise ArtifactError(str(last), expected="the last version's number", received=repr(text), remedy="mending it")
    return max([int(text), *versions_in(folder), *labelled]) + 1


def _copy(artifact: Artifact, into: Path) -> None:
    """Copy the SavedModel's files and compare every copy with the manifest, so that a file swapped since is refused."""
    source = saved_model(artifact).relative_to(artifact.folder).as_posix() + "/"
    for name, digest in artifact.manifest.files.items():
        if not name.startswith(source):
            continue
        target = into / name.removeprefix(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.folder / name, target)
        if sha256(target) != digest:
            raise altered(artifact.folder / name)
        flush(target)
        flush(target.parent)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    flush(path)
    flush(path.parent)


def _write_config(models: Path, config: ModelServerConfig) -> None:
    write_atomic(models / MODELS_CONFIG, lambda part: part.write_text(to_text(config), encoding="utf-8"))


@contextmanager
def _staged(models: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """A hidden folder for the version and a hidden file for `models.config`, removed unless they are renamed.

    The lock is held, so hidden things that stand there already are of a publisher that was killed.
    """
    for leftover in (*models.glob(f"{PART}*"), *(models / name).glob(f"{PART}*")):
        _remove(leftover)
    copy, text = models / name / f"{PART}{os.getpid()}", models / f"{PART}{os.getpid()}-{MODELS_CONFIG}"
    try:
        copy.mkdir()
        yield copy, text
    finally:
        _remove(copy)
        _remove(text)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _prune(folder: Path, keep: int, labelled: set[int]) -> tuple[int, ...]:
    there = _folders(folder)
    old = [version for version in sorted(there)[:-keep] if version not in labelled]
    for version in old:
        hidden = folder / f"{PART}{version}"
        there[version].rename(hidden)  # a server never sees half of it
        _remove(hidden)
    return tuple(old)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, and take away what was made when the block fails."""
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            for place in new:
                if {path.name for path in place.iterdir()} <= {LAST, LOCK}:  # else another publisher works in it
                    shutil.rmtree(place)


@contextmanager
def _disk_errors(models: Path) -> Iterator[None]:
    """`disk_errors`, whose advice names the option that other commands have for their folder."""
    try:
        with disk_errors(models):
            yield
    except ArtifactError as error:
        remedy = error.remedy.replace("folder with --out", "folder of models")
        raise ArtifactError(error.where, expected=error.expected, received=error.received, remedy=remedy) from error
