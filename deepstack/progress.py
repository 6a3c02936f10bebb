"""How long work tells how far it is: a plain callable, so that no stage knows about terminals."""

from typing import Protocol


class Progress(Protocol):
    """`progress(stage, done, total, note)`: `done` of `total` steps; total 0 is unknown; the note is optional."""

    def __call__(self, stage: str, done: int, total: int, note: str = "", /) -> None: ...


def no_progress(stage: str, done: int, total: int, note: str = "", /) -> None:
    """Tell nobody: the default where a caller passes no progress."""
