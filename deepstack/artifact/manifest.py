"""The manifest of an artifact: how it came about, and the sha256 of every file in it and of itself."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import deepstack
from deepstack.artifact.atomic import disk_errors, write_atomic
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError

MANIFEST = "manifest.json"
SCHEMA_VERSION = 2
_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds, beside `sha256`: the digest of all this as canonical JSON.

    Attributes:
        schema_version: of this record.
        run: the artifact's folder name when it was made.
        created: UTC time, ISO 8601.
        config: the whole run config as a JSON tree.
        seed: of every random draw.
        versions: package → version, and `python`.
        git_commit: of deepstack's own source tree, `-dirty` appended when it had changes; None outside a checkout.
        data: what the run was fitted on, its fingerprint among it.
        features: names of the model's inputs, in order.
        files: path inside the artifact, with `/` → sha256, for every file but the manifest.
    """

    schema_version: int
    run: str
    created: str
    config: dict[str, Any]
    seed: int
    versions: dict[str, str]
    git_commit: str | None
    data: dict[str, Any]
    features: tuple[str, ...]
    files: dict[str, str]


def write_manifest(
    folder: Path, config: RunConfig, *, run: str, data: Mapping[str, Any], features: Sequence[str]
) -> Manifest:
    """Hash every file of a finished folder and write its manifest: the last file of a run.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    with disk_errors(folder):
        files = {name: sha256(folder / name) for name in _files(folder)}
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        run=run,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=config.model_dump(mode="json"),
        seed=config.seed,
        versions=_versions(),
        git_commit=_git_commit(),
        data=dict(data),
        features=tuple(features),
        files=files,
    )
    tree = asdict(manifest)
    text = json.dumps({**tree, "sha256": _digest(tree)}, indent=2, allow_nan=False) + "\n"
    write_atomic(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))
    return manifest


def verify_manifest(folder: Path) -> Manifest:
    """Read the manifest and check every file against it, before anything else of the artifact is opened.

    Raises:
        ArtifactError: there is no readable manifest, or it or a file was changed, added, removed or made a link; the
            file is named.
    """
    manifest = _read(folder)
    present = _files(folder)
    for name in sorted(set(present) ^ set(manifest.files)):
        known = name in manifest.files
        raise ArtifactError(
            str(folder / name),
            expected="the file the run wrote" if known else f"no file beyond those in {MANIFEST}",
            received="no such file" if known else "one that was added later",
            remedy="a fresh copy of the artifact" if known else "moving it out of the artifact",
        )
    for name in present:
        if sha256(folder / name) != manifest.files[name]:
            raise altered(folder / name)
    return manifest


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def altered(path: Path) -> ArtifactError:
    """The error for a file whose bytes are not those the run wrote."""
    return ArtifactError(
        str(path),
        expected=f"the bytes whose sha256 stands in {MANIFEST}",
        received="other bytes: the file was changed",
        remedy="a fresh copy of the artifact, or the run again; do not open this file",
    )


def _read(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(
            str(path),
            expected="an artifact: the folder of a finished run",
            received=str(error.strerror),
            remedy="a folder under artifacts/ without a leading dot",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            str(path), expected="JSON", received=str(error), remedy="a fresh copy of the artifact"
        ) from error
    tree = tree if isinstance(tree, dict) else {}
    found = tree.get("schema_version")
    if found != SCHEMA_VERSION:
        versions = tree.get("versions")
        made_with = versions.get("deepstack", "?") if isinstance(versions, dict) else "?"
        raise ArtifactError(
            str(path),
            expected=f"schema_version {SCHEMA_VERSION}",
            received=repr(found),
            remedy=f"the deepstack that wrote it ({made_with})",
        )
    if tree.pop("sha256", None) != _digest(tree):
        raise altered(path)
    try:
        return Manifest(**{**tree, "features": tuple(tree["features"]), "files": dict(tree["files"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            str(path), expected="the keys of a manifest", received=str(error), remedy="a fresh copy of the artifact"
        ) from error


def _digest(tree: Mapping[str, Any]) -> str:
    """sha256 of a JSON tree written without white space, its keys in order: the same however a file is laid out."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _files(folder: Path) -> list[str]:
    """Every file but the manifest. Folders count for what is in them, so an empty one goes unnoticed.

    Raises:
        ArtifactError: a link, a pipe or the like, whose content may change although no file of the artifact does.
    """
    names = []
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArtifactError(
                str(path),
                expected="plain files and folders",
                received="a link" if path.is_symlink() else "something else",
                remedy="a fresh copy of the artifact, with the files themselves",
            )
        if path.is_file() and path != folder / MANIFEST:
            names.append(path.relative_to(folder).as_posix())
    return sorted(names)


def _versions() -> dict[str, str]:
    own = {"python": platform.python_version(), "deepstack": deepstack.__version__}
    return own | {package: version(package) for package in _PACKAGES}


def _git_commit() -> str | None:
    source = Path(deepstack.__file__)
    # An installed copy may stand inside somebody else's repository, whose commit would say nothing about this code.
    if _git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    return _git(source.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
