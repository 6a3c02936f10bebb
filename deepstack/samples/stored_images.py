"""Images of samples on disk, read by index through mapped files: what `deepstack gaf` has written, as an input."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepstack.errors import DataError
from deepstack.samples.windows import Windows

SLICES = ("train", "val")


@dataclass(frozen=True, eq=False)
class StoredImages:
    """An array [samples, size, size, channels] whose rows lie in several mapped files.

    Attributes:
        files: each [rows, size, size, channels].
        file: int16 [samples], which file; -1 for a sample that is not stored.
        row: int64 [samples], where in it.
    """

    files: tuple[np.ndarray, ...]
    file: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.row), *self.files[0].shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """Which rows of which files; the images themselves are as the folder's record says."""
        return self.file, self.row

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """float32 [*index.shape, size, size, channels]."""
        flat = index.reshape(-1)
        images = np.empty((len(flat), *self.shape[1:]), np.float32)
        for number, stored in enumerate(self.files):
            here = np.flatnonzero(self.file[flat] == number)
            images[here] = stored[self.row[flat[here]]]
        return images.reshape(*index.shape, *self.shape[1:])


def folder_of(symbol: str, window_bars: int) -> str:
    """`BNBUSDT_30`: the folder of one symbol's images of one window."""
    return f"{symbol}_{window_bars}"


def open_images(
    folder: Path, samples: pd.DataFrame, windows: Windows, wanted: np.ndarray, expected: Mapping[str, Any]
) -> StoredImages:
    """The stored images of these samples.

    Args:
        folder: what `deepstack gaf --out` wrote.
        samples: columns symbol and decision_time.
        windows: of the samples, whose very candles must have been drawn.
        wanted: positions of the samples that must be stored.
        expected: what each folder's metadata.json must say: channels, size, fields, joint.

    Raises:
        DataError: a folder is missing, altered, or was made otherwise or of other candles, or lacks a sample.
    """
    files: list[np.ndarray] = []
    file, row = np.full(len(samples), -1, np.int16), np.zeros(len(samples), np.int64)
    decided = pd.DatetimeIndex(samples["decision_time"]).as_unit("ms").asi8
    for symbol in samples["symbol"].unique():
        place = folder / folder_of(symbol, windows.length)
        known = read_metadata(place)
        for key, value in expected.items():
            if known.get(key) != value:
                raise _other(place, f"{key} {value}", f"{known.get(key)}")
        require_whole(place)
        asked = np.flatnonzero(samples["symbol"] == symbol)
        for part in SLICES:
            times = np.load(place / f"{part}_times.npy", mmap_mode="r", allow_pickle=False)
            found = np.searchsorted(times, decided[asked])
            there = found < len(times)
            there[there] = times[found[there]] == decided[asked][there]
            drawn = np.load(place / f"{part}_windows.npy", mmap_mode="r", allow_pickle=False)
            if not np.array_equal(digests(windows, asked[there]), drawn[found[there]]):
                raise _other(place, "images of these candles", "others for the same decisions")
            file[asked[there]], row[asked[there]] = len(files), found[there]
            files.append(np.load(place / f"{part}_images.npy", mmap_mode="r", allow_pickle=False))
    missing = wanted[file[wanted] < 0]
    if len(missing):
        first = samples.iloc[missing[0]]
        raise _other(
            folder,
            f"{len(wanted):,} training and validation samples",
            f"none of {len(missing):,} of them, the first {first['symbol']} at {first['decision_time']}",
        )
    return StoredImages(tuple(files), file, row)


def digests(windows: Windows, index: np.ndarray | None = None) -> np.ndarray:
    """uint32 [samples]: CRC of the values each window holds, which tells other candles at the same times."""
    rows = np.arange(len(windows)) if index is None else index
    return np.array([zlib.crc32(windows[rows[i : i + 1]].tobytes()) for i in range(len(rows))], np.uint32)


def hashes(place: Path) -> dict[str, str]:
    """File name → SHA-256, of every array of a folder."""
    found = {}
    for path in sorted(place.glob("*.npy")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def require_whole(place: Path) -> None:
    """Refuse a folder whose arrays are not those that were written.

    Raises:
        DataError: names the first that differs.
    """
    expected, received = read_metadata(place).get("sha256", {}), hashes(place)
    for name in sorted(expected.keys() | received.keys()):
        if expected.get(name) != received.get(name):
            what = "missing" if name not in received else "added" if name not in expected else "altered"
            raise _other(place / name, "the file as it was written", what)


def read_metadata(place: Path) -> dict[str, Any]:
    """What metadata.json of a folder says.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    path = place / "metadata.json"
    if not path.is_file():
        raise _other(place, "a finished folder of images", "none")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        found = None
    if not isinstance(found, dict):
        raise _other(path, "the record of a folder of images", "a file that cannot be read")
    return found


def _other(place: Path, expected: str, received: str) -> DataError:
    return DataError(
        f"images: {place}",
        expected=expected,
        received=received,
        remedy="removing the folder and making it with `deepstack gaf`, or leaving samples.images out",
    )
