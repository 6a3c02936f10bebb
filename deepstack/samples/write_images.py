"""Images of windows written straight into mapped files, chunk by chunk, by worker processes that know only numpy.

A worker gets the few candles of a chunk's windows, draws, writes into the file, flushes, and only then marks the chunk
as done: a run that is killed goes on where it stopped. Files are allotted their whole size first, so a disk that cannot
hold them says so before anything is drawn.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from deepstack.errors import DeepstackError
from deepstack.gramian import Drawing
from deepstack.samples.gramian_images import gramian_images, pyts_images

CHUNK = 256
"""Images a worker draws at once: 8 MB of 64 × 64 pixels."""

ENGINES: dict[str, Callable[[np.ndarray, Drawing], np.ndarray]] = {"native": gramian_images, "pyts": pyts_images}


CHUNKS_A_BATCH = 64
"""Chunks given to a cluster at once."""


@dataclass(frozen=True)
class Chunk:
    """Part of a file.

    Attributes:
        images, done: the files, by path.
        number: of the chunk.
        windows: float32 [windows, bars, channels].
        drawing, engine: how.
    """

    images: Path
    done: Path
    number: int
    windows: np.ndarray
    drawing: Drawing
    engine: str


def allot(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """An .npy file of this shape with its space on the disk taken; a file that is there already stays.

    Raises:
        OSError: the disk is full.
    """
    if path.exists():
        return
    part = path.with_suffix(".part")
    mapped = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=shape)
    size = part.stat().st_size
    del mapped
    try:
        with part.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError:
        part.unlink()
        raise
    part.rename(path)


def chunks_left(done: Path) -> list[int]:
    """Numbers of the chunks that are not done."""
    return [int(number) for number in np.flatnonzero(np.load(done, mmap_mode="r", allow_pickle=False) == 0)]


def chunk_rows(number: int, count: int) -> slice:
    """Rows of a chunk in a file of `count` images."""
    return slice(number * CHUNK, min((number + 1) * CHUNK, count))


def write_chunk(chunk: Chunk) -> int:
    """Draw a chunk into its place; returns how many images."""
    images = np.load(chunk.images, mmap_mode="r+", allow_pickle=False)
    rows = chunk_rows(chunk.number, len(images))
    images[rows] = ENGINES[chunk.engine](chunk.windows, chunk.drawing)
    images.flush()
    done = np.load(chunk.done, mmap_mode="r+", allow_pickle=False)
    done[chunk.number] = 1
    done.flush()
    return len(chunk.windows)


def over_workers(chunks: Iterator[Chunk], workers: int, backend: str) -> Iterator[int]:
    """Write all chunks; yields the count of images of each as it is done, in any order.

    Args:
        workers: processes; 1 draws in this one.
        backend: a joblib backend: `loky`, or `dask` inside a client.
    """
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if workers == 1 and backend == "loky":
        yield from map(write_chunk, chunks)
        return
    if backend == "loky":
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered", pre_dispatch="2*n_jobs", max_nbytes=None)
        try:
            yield from parallel(delayed(write_chunk)(chunk) for chunk in chunks)
        except TerminatedWorkerError as error:
            raise DeepstackError(
                "workers",
                expected="all of them alive until the end",
                received="one was killed, perhaps for want of memory",
                remedy="the command again, which goes on where it stopped, with fewer --workers",
            ) from error
        return
    with parallel_config(backend=backend), Parallel() as parallel:  # other backends give back lists only
        while batch := list(islice(chunks, CHUNKS_A_BATCH)):
            yield from parallel(delayed(write_chunk)(chunk) for chunk in batch)
