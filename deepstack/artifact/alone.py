"""One process at a time in a folder that is written piece by piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from deepstack.errors import ArtifactError

LOCK = ".lock"


@contextmanager
def alone(folder: Path, what: str, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the folder, made where it is missing, for the length of the block. A process that dies lets go of it.

    Args:
        folder: of the study.
        what: is being written, for the message.
        patience_s: to wait for whoever holds it.

    Raises:
        ArtifactError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout as error:
        raise ArtifactError(
            str(folder),
            expected="a folder no other process is writing into",
            received=f"one that writes {what} there",
            remedy="again when it has ended, or another folder",
        ) from error
    try:
        yield
    finally:
        lock.release()
