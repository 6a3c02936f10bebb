"""Checkpoint files that survive a kill at any moment: a file is complete and unaltered, or it does not count."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from deepstack.errors import ArtifactError, DeepstackError

KEPT = 2
_NAME = re.compile(r"^step-(\d{10})-([0-9a-f]{32})\.npz$")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything a run needs to go on.

    Attributes:
        step: optimizer steps taken.
        arrays: group (`model`, `optimizer`, `best`) → its tensors in order.
        state: JSON values.
    """

    step: int
    arrays: dict[str, list[np.ndarray]]
    state: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint and remove all but the last two.

    The file is written aside, flushed to the disk and renamed to a name that carries its own digest, so one rename
    makes content and checksum visible together.

    Raises:
        DeepstackError: the disk is full or read-only; earlier checkpoints stay as they are.
    """
    arrays = {
        f"{group}/{number}": value for group, values in checkpoint.arrays.items() for number, value in enumerate(values)
    }
    header = np.frombuffer(json.dumps({"step": checkpoint.step, "state": checkpoint.state}).encode(), np.uint8)
    written = folder / f"writing-{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(written, lambda file: np.savez(file, allow_pickle=False, header=header, **arrays))
        path = folder / f"step-{checkpoint.step:010d}-{_digest(written)}.npz"
        written.replace(path)
        _flush_folder(folder)
        for old in _files(folder)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise DeepstackError(
            str(folder),
            expected="room and permission to write a checkpoint",
            received=str(error),
            remedy="freeing space or another --out, then --resume",
        ) from error
    return path


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose content matches its digest; None if the run was killed before its first.

    Raises:
        ArtifactError: there are checkpoints, and every one is damaged.
    """
    found = _files(folder)
    for path in found:
        if _digest(path) != _NAME.match(path.name)[2]:  # type: ignore[index]
            continue
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes())
            arrays: dict[str, list[np.ndarray]] = {}
            for name in stored.files:
                if name != "header":
                    arrays.setdefault(name.partition("/")[0], []).append(stored[name])
        return Checkpoint(header["step"], arrays, header["state"])
    if found:
        raise ArtifactError(
            str(folder),
            expected="a checkpoint whose content matches the digest in its name",
            received=f"damaged files alone: {', '.join(path.name for path in found)}",
            remedy="running without --resume",
        )
    return None


def clear_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of an earlier run, which a new run must not resume from."""
    for path in [*_files(folder), *folder.glob("writing-*.tmp")]:
        path.unlink(missing_ok=True)


def write_durably(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file through `write` and return when it is on the disk."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.match(path.name)), reverse=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows cannot open a folder to flush it
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
