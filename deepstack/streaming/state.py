"""What a stream remembers over a restart, in one file that is whole or the one before."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from deepstack.artifact.atomic import write_atomic
from deepstack.errors import DataError
from deepstack.streaming.engine import Engine

SCHEMA_VERSION = 1
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile)
"""What NumPy and zipfile raise at a file that is none of ours, or damaged."""


class _About(BaseModel, strict=True):
    """All but the windows."""

    schema_version: int
    step_ms: int
    columns: tuple[str, ...]
    symbols: tuple[str, ...]
    pending_ms: int | None
    spoke_ms: dict[str, int]
    counts: dict[str, int]


def save_state(engine: Engine, path: Path) -> None:
    """Write windows, the waiting moment and the counts as an .npz without pickles.

    Raises:
        ArtifactError: the disk is full or read-only; the older file stays.
    """
    about = _About(
        schema_version=SCHEMA_VERSION,
        step_ms=engine.desk.step_ms,
        columns=tuple(engine.desk.columns),
        symbols=tuple(engine.windows),
        pending_ms=engine.pending_ms,
        spoke_ms={symbol: int(moment) for symbol, moment in engine.spoke_ms.items()},
        counts={name: int(count) for name, count in engine.tally.counts.items()},
    )
    arrays: dict[str, Any] = {"about": np.frombuffer(about.model_dump_json().encode(), np.uint8)}
    for number, window in enumerate(engine.windows.values()):
        arrays[f"times_{number}"], arrays[f"values_{number}"] = window.times, window.values

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **arrays)

    write_atomic(path, write)


def load_state(engine: Engine, path: Path, now_s: float) -> bool:
    """Go on from a file that `save_state` wrote; False when there is none.

    Raises:
        DataError: no such file of a stream, or one of other bars than the engine's.
    """
    if not path.exists():
        return False
    try:
        with np.load(path) as stored:
            about = _About.model_validate_json(stored["about"].tobytes())
            windows = [(stored[f"times_{i}"], stored[f"values_{i}"]) for i in range(len(about.symbols))]
        for times, values in windows:
            _require_window(times, values, len(about.columns))
    except UNREADABLE as error:
        said = " ".join(str(error).split())[:200]
        raise _refusal(path, "a file that `deepstack stream --state` wrote", said) from error
    found = about.schema_version, about.step_ms, about.columns
    wanted = SCHEMA_VERSION, engine.desk.step_ms, tuple(engine.desk.columns)
    if found != wanted:
        raise _refusal(path, f"version, bar interval in ms and columns {wanted}", str(found))
    for symbol, (times, values) in zip(about.symbols, windows, strict=True):
        if not engine.symbols or symbol in engine.symbols:
            engine.window(symbol).restore(times, values)
    engine.spoke_ms = dict(about.spoke_ms)
    engine.tally.counts = Counter(about.counts)
    engine.restart_waiting(about.pending_ms, now_s)
    return True


def _require_window(times: np.ndarray, values: np.ndarray, columns: int) -> None:
    """Refuse what no window held: times that do not rise, or rows that are not theirs."""
    rising = times.dtype == np.int64 and times.ndim == 1 and bool((np.diff(times) > 0).all())
    if not rising or values.dtype != np.float64 or values.shape != (len(times), columns):
        raise ValueError(f"a window of {times.dtype} {times.shape} times and {values.dtype} {values.shape} values")


def _refusal(path: Path, expected: str, received: str) -> DataError:
    return DataError(f"--state {path}", expected=expected, received=received, remedy="another file, or a new name")
