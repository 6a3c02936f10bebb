"""Lines of a file or of standard input, as they come, without blocking the event loop."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from deepstack.errors import DataError

LONGEST_LINE_BYTES = 65_536
"""A longer line is cut, and its pieces are malformed: no line fills the memory."""
WAITING_LINES = 256


def open_candles(path: Path) -> BinaryIO:
    """A file of lines, gzipped where its name ends in .gz.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise DataError(
            str(path), expected="a readable file", received=str(error.strerror).lower(), remedy="another path"
        ) from error


async def lines_of(file: BinaryIO, name: str) -> AsyncIterator[tuple[str, str]]:
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
                while line := file.readline(LONGEST_LINE_BYTES):
                    asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()
            except (OSError, EOFError) as error:
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
