"""Progress for people: bars on a terminal, plain lines with the time elsewhere. Both on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from deepstack.progress import Progress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def show_progress() -> Iterator[Progress]:
    """A progress callable to hand down for the length of the block."""
    if sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield plain_lines(sys.stderr)


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
