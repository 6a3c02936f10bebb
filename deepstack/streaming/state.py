"""What a stream remembers over a restart, in one file that is whole or the one before."""

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from deepstack.artifact.atomic import write_atomic
from deepstack.errors import DataError
from deepstack.streaming.engine import Engine

SCHEMA_VERSION = 1


def save_state(engine: Engine, path: Path) -> None:
    """Write windows, the waiting moment and the counts as an .npz without pickles.

    Raises:
        ArtifactError: the disk is full or read-only; the older file stays.
    """
    about = {
        "schema_version": SCHEMA_VERSION,
        "step_ms": engine.desk.step_ms,
        "columns": engine.desk.columns,
        "symbols": list(engine.windows),
        "pending_ms": engine.pending_ms,
        "spoke_ms": engine.spoke_ms,
        "counts": engine.tally.counts,
    }
    arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
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
            about = json.loads(stored["about"].tobytes())
            windows = [(stored[f"times_{i}"], stored[f"values_{i}"]) for i in range(len(about["symbols"]))]
        found = about["schema_version"], about["step_ms"], tuple(about["columns"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise _refusal(path, "a file that `deepstack stream --state` wrote", str(error).splitlines()[0]) from error
    wanted = SCHEMA_VERSION, engine.desk.step_ms, engine.desk.columns
    if found != wanted:
        raise _refusal(path, f"version, bar interval in ms and columns {wanted}", str(found))
    for symbol, (times, values) in zip(about["symbols"], windows, strict=True):
        if not engine.symbols or symbol in engine.symbols:
            engine.window(symbol).restore(times, values)
    engine.spoke_ms = {str(name): int(moment) for name, moment in about["spoke_ms"].items()}
    engine.tally.counts = Counter(about["counts"])
    engine.restart_waiting(about["pending_ms"], now_s)
    return True


def _refusal(path: Path, expected: str, received: str) -> DataError:
    return DataError(f"--state {path}", expected=expected, received=received, remedy="another file, or a new name")
