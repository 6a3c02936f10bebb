"""Where a run works until it is complete: `<out>/.running/<run>/`, locked, resumable, renamed whole at the end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deepstack.artifact.atomic import PART, disk_errors, flush, write_atomic
from deepstack.artifact.manifest import MANIFEST
from deepstack.config.read import dump_config, first_difference, read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError, ConfigError, DeepstackError

CONFIG = "config.yaml"
"""The frozen config in a workspace; a folder under `.running` without it is not resumable."""


@dataclass(frozen=True)
class Workspace:
    """A run's folder while it is being filled.

    Attributes:
        out: the folder the finished artifact will stand in.
        run: the artifact's folder name.
        folder: `<out>/.running/<run>`.
        resumed: whether an earlier process began this run.
    """

    out: Path
    run: str
    folder: Path
    resumed: bool
    _lock: int


def open_workspace(out: Path, run: str, config: RunConfig, *, resume: bool = False) -> Workspace:
    """A fresh locked workspace, or the newest unfinished one of the same config.

    Args:
        out: folder of the artifacts; made when missing.
        run: name for a fresh run; when it is taken, `-2`, `-3`, … is appended. Not used when resuming.
        config: frozen as `config.yaml` in a fresh workspace; a resumed one must hold an equal config.
        resume: continue instead of beginning.

    Raises:
        ConfigError: the unfinished runs of this name have another config; the first differing key is named.
        ArtifactError: there is nothing to resume, another process works on the run, or the disk refuses.
    """
    if resume:
        return _resume(out, config)
    return _begin(out, run, config)


def publish(workspace: Workspace) -> Path:
    """Flush the finished workspace to disk and rename it to `<out>/<run>`, in one step; returns that folder.

    Raises:
        ArtifactError: there is no manifest yet, the name is taken, or the disk refuses; the workspace then stays.
    """
    target = workspace.out / workspace.run
    if not (workspace.folder / MANIFEST).is_file():
        raise ArtifactError(
            str(workspace.folder),
            expected=f"a complete run with {MANIFEST}",
            received="none",
            remedy="--resume to finish it",
        )
    if target.exists():
        raise ArtifactError(
            str(target),
            expected="a free name for the finished run",
            received="a folder that stands there already",
            remedy="moving it away, then --resume",
        )
    with disk_errors(workspace.folder):
        for path in workspace.folder.rglob("*"):
            flush(path)
        flush(workspace.folder)
        workspace.folder.rename(target)
        flush(workspace.out)
    release(workspace)
    return target


@contextmanager
def removed_if_unused(workspace: Workspace | None) -> Iterator[None]:
    """Remove a fresh workspace when the block fails by the user's mistake before a run has left anything in it."""
    try:
        yield
    except DeepstackError:
        if workspace is not None and [path.name for path in workspace.folder.iterdir()] == [CONFIG]:
            (workspace.folder / CONFIG).unlink()
            workspace.folder.rmdir()
            release(workspace)
            with suppress(OSError):  # other runs work there
                workspace.folder.parent.rmdir()
        raise


def release(workspace: Workspace) -> None:
    """Give up the lock, leaving the folder resumable; the end of the process does the same."""
    os.close(workspace._lock)


def _begin(out: Path, run: str, config: RunConfig) -> Workspace:
    running = out / ".running"
    with disk_errors(out):
        running.mkdir(parents=True, exist_ok=True)
        name, attempt = run, 1
        while True:
            try:
                if not (out / name).exists():
                    (running / name).mkdir(parents=True)  # a run that failed may just have removed `running`
                    break
            except FileExistsError:
                pass
            attempt += 1
            name = f"{run}-{attempt}"
    folder = running / name
    lock = _lock(folder)
    # The config is written under the lock and last, so whoever sees it sees a run that may be resumed.
    write_atomic(folder / CONFIG, lambda path: path.write_text(dump_config(config), encoding="utf-8"))
    return Workspace(out, name, folder, False, lock)


def _resume(out: Path, config: RunConfig) -> Workspace:
    with disk_errors(out):
        found = sorted(
            (out / ".running").glob(f"*/{CONFIG}"), key=lambda path: (path.stat().st_mtime_ns, path), reverse=True
        )
    nearest: tuple[Path, str] | None = None
    unreadable: tuple[Path, ConfigError] | None = None
    for path in found:
        try:
            stored = read_config(path)
        except ConfigError as error:
            unreadable = unreadable or (path, error)
            continue
        difference = first_difference(stored, config)
        if difference is None:
            return _continue(out, path.parent)
        if stored.name == config.name and nearest is None:
            nearest = path, difference
    if nearest is not None:
        raise ConfigError(
            str(nearest[0]),
            expected="the config this run was started with",
            received=f"another: {nearest[1]}",
            remedy="the same config, or running without --resume",
        )
    if unreadable is not None:
        raise ArtifactError(
            str(unreadable[0]),
            expected=f"the config of an unfinished run of {config.name!r}",
            received=f"one that cannot be read ({unreadable[1].where}: received {unreadable[1].received})",
            remedy="running without --resume",
        ) from unreadable[1]
    raise ArtifactError(
        str(out / ".running"),
        expected=f"an unfinished run of {config.name!r}",
        received=f"{len(found)} of other names" if found else "none",
        remedy="running without --resume",
    )


def _continue(out: Path, folder: Path) -> Workspace:
    lock = _lock(folder)
    with disk_errors(folder):
        for leftover in folder.rglob(f"{PART}*"):
            leftover.unlink()
    return Workspace(out, folder.name, folder, True, lock)


def _lock(folder: Path) -> int:
    """A lock on the folder itself: it leaves no file behind, and ends with the process however that ends."""
    with disk_errors(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between finding the folder and locking it, its owner may have published it.
        alive = folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino
    except BlockingIOError:
        alive = False
    if not alive:
        os.close(handle)
        raise ArtifactError(
            str(folder),
            expected="a run no other process works on",
            received="one that is running or has just ended",
            remedy="waiting for it, or running without --resume",
        )
    return handle
