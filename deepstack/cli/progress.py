"""Progress for people: bars on a terminal, plain lines with the time elsewhere. Both on stderr."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TextIO

from deepstack.progress import Progress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def show_progress() -> Iterator[Progress]:
    """A progress callable to hand down for the length of the block; Ctrl-C ends the work at the next step at last."""
    with _bars() if sys.stderr.isatty() else nullcontext(plain_lines(sys.stderr)) as progress:
        alone = threading.current_thread() is threading.main_thread()
        if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield progress
            return
        with interruptible(progress) as told:
            yield told


@contextmanager
def interruptible(progress: Progress) -> Iterator[Progress]:
    """Raise Ctrl-C where it comes, and once more at the next progress: a destructor may have swallowed it there."""
    asked = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        asked.set()
        raise KeyboardInterrupt

    def told(stage: str, done: int, total: int, note: str = "", /) -> None:
        if asked.is_set() and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        progress(stage, done, total, note)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)


def plain_lines(stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Progress:
    """One line when a stage begins and ends, and at most one in ten seconds between."""
    last: dict[str, float] = {}
    ended: set[str] = set()

    def progress(stage: str, done: int, total: int, note: str = "", /) -> None:
        now = clock()
        complete = 0 < total <= done
        if stage in ended and complete:
            return
        if stage in last and not complete and now - last[stage] < _SECONDS_BETWEEN_LINES:
            return
        last[stage] = now
        ended.discard(stage)
        if complete:
            ended.add(stage)
        count = f" {done}/{total}" if total else f" {done}" if done else ""
        print(f"{time.strftime('%H:%M:%S')} {stage}{count}{f'  {note}' if note else ''}", file=stream, flush=True)

    return progress


@contextmanager
def _bars() -> Iterator[Progress]:
    # Imported here: rich takes as long to import as all of `deepstack --help`.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int, note: str = "", /) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None, note=note)
            bars.update(tasks[stage], completed=done, total=total or None, note=note)

        yield progress
