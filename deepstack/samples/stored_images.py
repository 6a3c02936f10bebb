"""Images of samples on disk, read by index through mapped files: what `deepstack gaf` has written, as an input."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepstack.errors import DataError

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
    folder: Path, samples: pd.DataFrame, wanted: np.ndarray, window_bars: int, expected: Mapping[str, Any]
) -> StoredImages:
    """The stored images of these samples.

    Args:
        folder: what `deepstack gaf --out` wrote.
        samples: columns symbol and decision_time.
        wanted: positions of the samples that must be stored.
        window_bars: of the images.
        expected: what each folder's metadata.json must say: channels, size, fields, joint, interval.

    Raises:
        DataError: a folder is missing, was made otherwise, or lacks a sample.
    """
    files: list[np.ndarray] = []
    file, row = np.full(len(samples), -1, np.int16), np.zeros(len(samples), np.int64)
    decided = pd.DatetimeIndex(samples["decision_time"]).as_unit("ms").asi8
    for symbol in samples["symbol"].unique():
        place = folder / folder_of(symbol, window_bars)
        known = _metadata(place)
        for key, value in expected.items():
            if known.get(key) != value:
                raise _other(place, f"{key} {value}", f"{known.get(key)}")
        asked = np.flatnonzero(samples["symbol"] == symbol)
        for part in SLICES:
            times = np.load(place / f"{part}_times.npy", mmap_mode="r", allow_pickle=False)
            found = np.searchsorted(times, decided[asked])
            there = found < len(times)
            there[there] = times[found[there]] == decided[asked][there]
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


def _metadata(place: Path) -> dict[str, Any]:
    path = place / "metadata.json"
    if not path.is_file():
        raise _other(place, "a finished folder of images", "none")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _other(place: Path, expected: str, received: str) -> DataError:
    return DataError(
        f"samples.images: {place}",
        expected=expected,
        received=received,
        remedy="making them with `deepstack gaf` and this config, or leaving samples.images out",
    )
