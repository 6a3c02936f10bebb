"""Writing so that a reader sees the whole or nothing, and a full disk is one line instead of a traceback."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepstack.errors import ArtifactError, DeepstackError

PART = ".part-"
"""How the name of a file that is still being written begins."""

_REMEDIES = {
    errno.ENOSPC: "freeing space or another folder with --out",
    errno.EDQUOT: "freeing quota or another folder with --out",
    errno.EROFS: "a folder on a writable disk with --out",
    errno.EACCES: "a folder you may write to with --out",
    errno.EPERM: "a folder you may write to with --out",
}


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn a failure of the disk inside the block into one line that names `where`.

    TensorFlow and HDF5 report a full disk in exceptions of their own, with the system's words or number inside; those
    are recognised too, and every other exception passes unchanged.

    Raises:
        ArtifactError: the disk is full or read-only, or the place may not be written to.
    """
    try:
        yield
    except DeepstackError:
        raise
    except Exception as error:
        code = _disk_code(error)
        if code is None:
            raise
        raise ArtifactError(
            str(where),
            expected="a place that can be written",
            received=os.strerror(code).lower(),
            remedy=_REMEDIES.get(code, "another folder with --out"),
        ) from error


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path` (same suffix), then put the result in place, flushed to disk.

    Raises:
        ArtifactError: the disk is full or read-only; nothing is left behind and an older file at `path` stays.
    """
    temporary = path.with_name(f"{PART}{os.getpid()}-{path.name}")
    with disk_errors(path):
        try:
            write(temporary)
            flush(temporary)
            temporary.replace(path)
            flush(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Force one file or folder entry to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _disk_code(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    text = str(error)
    number = re.search(r"errno = (\d+)", text)
    if number is not None and int(number[1]) in _REMEDIES:
        return int(number[1])
    return next((code for code in _REMEDIES if os.strerror(code) in text), None)
