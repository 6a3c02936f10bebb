"""Lines of a file or of standard input, as they come, without blocking the event loop."""

import asyncio
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from gzip import GzipFile
from io import FileIO
from pathlib import Path
from typing import Protocol

from deepstack.errors import DataError

LONGEST_LINE_BYTES = 65_536
"""A longer line is cut, and its pieces are malformed: no line fills the memory."""
WAITING_LINES = 256


class Source(Protocol):
    """Bytes as they come. Unbuffered: a buffer's lock, held by a read that waits, aborts the end of the process."""

    def read(self, size: int, /) -> bytes | None: ...


def open_candles(path: Path | None) -> Source:
    """A file of lines, gzipped where its name ends in .gz; None: standard input.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        if path is None:
            return FileIO(0, closefd=False)
        return GzipFile(path) if path.suffix == ".gz" else FileIO(path)
    except OSError as error:
        raise DataError(
            str(path), expected="a readable file", received=str(error.strerror).lower(), remedy="another path"
        ) from error


def _cut(file: Source) -> Iterator[bytes]:
    """Whole lines; what is longer than allowed in pieces."""
    rest = b""
    while block := file.read(LONGEST_LINE_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) >= LONGEST_LINE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


async def lines_of(file: Source, name: str) -> AsyncIterator[tuple[str, str]]:
    """(line, `<name>, line <number>`) of a file that may go on for ever; few lines wait, the writer waits instead.

    Raises:
        DataError: reading failed.
    """
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[bytes | OSError](WAITING_LINES)

    def read() -> None:
        ended: bytes | OSError = b""
        # The loop may close while this thread waits for a line.
        with suppress(RuntimeError, asyncio.CancelledError):
            try:
                for line in _cut(file):
                    asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()
            except (OSError, EOFError, zlib.error) as error:
                ended = error if isinstance(error, OSError) else OSError(0, str(error))
            asyncio.run_coroutine_threadsafe(queue.put(ended), loop).result()

    # A daemon: a read of standard input cannot be called off, and must not hold up the end of the process.
    threading.Thread(target=read, name="candles", daemon=True).start()
    number = 0
    while line := await queue.get():
        if isinstance(line, OSError):
            raise DataError(
                name, expected="lines", received=str(line.strerror or line).lower(), remedy="sending them again"
            ) from line
        number += 1
        yield line.decode(errors="replace"), f"{name}, line {number}"
