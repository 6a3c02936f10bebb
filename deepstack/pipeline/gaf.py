"""Gramian images of a config's training and validation samples, written to disk for those who want them there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import pandas as pd

from deepstack.artifact.alone import alone
from deepstack.artifact.atomic import disk_errors, write_atomic
from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError, ConfigError, DataError
from deepstack.features.table import make_table
from deepstack.gramian import Drawing
from deepstack.labels.labelled import label
from deepstack.models.image._gaf_options import GafResnet18Config
from deepstack.models.options import read_options
from deepstack.progress import Progress, no_progress
from deepstack.samples.gramian_images import require_pyts
from deepstack.samples.split import calendar_cuts, split_by_time
from deepstack.samples.stored_images import SLICES, digests, folder_of, hashes, read_metadata, require_whole
from deepstack.samples.windows import Windows, fits
from deepstack.samples.write_images import CHUNK, Chunk, allot, chunk_rows, chunks_left, over_workers

Backend = Literal["loky", "dask"]
RUNNING = ".running"


@dataclass(frozen=True)
class How:
    """How images are written.

    Attributes:
        engine: `native`, or `pyts` where it is installed.
        dtype: of the files: `float16`, right to 5e-4, or `float32`.
        workers: processes.
        backend: joblib's: `loky` on this machine, `dask` on a cluster.
        scheduler: address of a running Dask scheduler; None starts workers here.
    """

    engine: Literal["native", "pyts"] = "native"
    dtype: Literal["float16", "float32"] = "float16"
    workers: int = 2
    backend: Backend = "loky"
    scheduler: str | None = None


def drawing_of(config: RunConfig) -> Drawing:
    """How the config's model draws.

    Raises:
        ConfigError: it is no model of Gramian images, or its channels are not named.
    """
    if config.model.name != "gaf_resnet18":
        raise ConfigError(
            "model.name", expected="gaf_resnet18", received=config.model.name, remedy="configs/gaf_resnet18.yaml"
        )
    if not config.features.names:
        raise ConfigError(
            "features.names", expected="the channels of the images", received="none", remedy="features.names=[close]"
        )
    drawing = read_options(GafResnet18Config, config.model.options).drawing
    if sum(drawing.joint) > len(config.features.names):
        raise ConfigError(
            "model.options.joint",
            expected=f"groups of the {len(config.features.names)} channels",
            received=f"{list(drawing.joint)}",
            remedy="fewer, or more of features.names",
        )
    return drawing


def gaf(
    market: Market,
    config: RunConfig,
    windows: tuple[int, ...],
    out: Path,
    how: How = How(),
    progress: Progress = no_progress,
) -> list[Path]:
    """Write `<symbol>_<window>/` with images and labels of the training and validation slices, for each window.

    A folder is made in `<out>/.running` and renamed when it is complete; one that is complete already stays, one that
    was broken off goes on where it stopped. The slices are those of the config's split, purged; of the test slice
    nothing is written.

    Args:
        market: candles.
        config: channels, drawing, labels and split.
        windows: bars of each resolution.
        out: folder of the folders.

    Returns:
        The folders.

    Raises:
        ArtifactError: the disk is full, the folder holds images made otherwise, or another process writes into it.
        DataError: no window fits.
    """
    drawing = drawing_of(config)
    if how.engine == "pyts":
        require_pyts(drawing, min(windows))
    plans = [plan for bars in dict.fromkeys(windows) for plan in _plans(market, config, drawing, bars, out, how)]
    total = sum(len(times) for plan in plans for times in plan.times.values())
    done = 0
    with disk_errors(out), _cluster(how) as backend, alone(out, "images"):
        for plan in plans:
            for count in _written(plan, how, backend):
                done += count
                progress("images", done, total, plan.folder.name)
    return [plan.folder for plan in plans]


@dataclass(frozen=True, eq=False)
class _Plan:
    """One folder.

    Attributes:
        folder: where it will stand.
        windows, labels, times: by slice; labels int8 [samples, outputs], times int64 ms of the decisions.
        record: metadata.json.
        drawing: how.
    """

    folder: Path
    windows: dict[str, Windows]
    labels: dict[str, np.ndarray]
    times: dict[str, np.ndarray]
    record: dict[str, Any]
    drawing: Drawing


def _plans(market: Market, config: RunConfig, drawing: Drawing, bars: int, out: Path, how: How) -> Iterator[_Plan]:
    """A plan for each symbol."""
    labels = label(market, config.labels)
    table = make_table(market, config.features)
    last = table.locate(labels.samples["symbol"], labels.samples["decision_time"])
    whole = fits(table.segment, last, bars)
    if not whole.any():
        raise DataError(
            "samples",
            expected=f"windows of {bars} bars without a gap",
            received=f"{len(labels)} samples, none of them",
            remedy="more candles, or smaller windows",
        )
    labels, last = labels.keep(whole), last[whole]
    interval = next(iter(market.values())).interval
    split = split_by_time(labels.samples, calendar_cuts(table.times, config.split), interval, config.split.embargo_bars)
    parts = dict(zip(SLICES, (split.train, split.validation), strict=True))
    decided = pd.DatetimeIndex(labels.samples["decision_time"]).as_unit("ms").asi8
    for symbol, candles in market.items():
        own = np.flatnonzero(labels.samples["symbol"] == symbol)
        rows = {part: np.intersect1d(index, own) for part, index in parts.items()}
        record = {
            "symbol": symbol,
            "window_bars": bars,
            "interval_s": interval.total_seconds(),
            "channels": list(table.names),
            **{key: list(value) if isinstance(value, tuple) else value for key, value in asdict(drawing).items()},
            "engine": how.engine,
            "dtype": how.dtype,
            "labels": config.labels.model_dump(mode="json"),
            "split": config.split.model_dump(mode="json"),
            "outputs": list(labels.outputs),
            "classes": list(labels.classes),
            "fingerprint": fingerprint({symbol: candles}),
            "samples": {part: len(index) for part, index in rows.items()},
            "purged": split.purged,
            "validation_cut": split.validation_cut.isoformat(),
            "test_cut": split.test_cut.isoformat(),
        }
        yield _Plan(
            out / folder_of(symbol, bars),
            {part: Windows(table.values, last[index], bars) for part, index in rows.items()},
            {part: labels.codes[index] for part, index in rows.items()},
            {part: decided[index] for part, index in rows.items()},
            record,
            drawing,
        )


def _written(plan: _Plan, how: How, backend: str) -> Iterator[int]:
    """Counts of images as they are done, those of an earlier attempt first."""
    if plan.folder.exists():
        _require_same(plan.folder, plan.record)
        require_whole(plan.folder)
        yield sum(map(len, plan.times.values()))
        return
    work = plan.folder.parent / RUNNING / plan.folder.name
    work.mkdir(parents=True, exist_ok=True)
    if (work / "metadata.json").exists():
        _require_same(work, plan.record)
    else:
        _record(work, plan.record)
    for part in SLICES:
        count = len(plan.times[part])
        images, done = work / f"{part}_images.npy", work / f"{part}_done.npy"
        shape = (count, plan.drawing.size, plan.drawing.size, len(plan.record["channels"]) * len(plan.drawing.fields))
        if not count:
            np.save(images, np.empty(shape, how.dtype))
        else:
            allot(images, shape, np.dtype(how.dtype))
            allot(done, (-(-count // CHUNK),), np.dtype(np.uint8))
            left = chunks_left(done)
            yield count - sum(len(range(*chunk_rows(number, count).indices(count))) for number in left)
            yield from over_workers(_chunks(plan, part, images, done, left, how), how.workers, backend)
        np.save(work / f"{part}_labels.npy", plan.labels[part])
        np.save(work / f"{part}_times.npy", plan.times[part])
        np.save(work / f"{part}_windows.npy", digests(plan.windows[part]))
    for part in SLICES:
        (work / f"{part}_done.npy").unlink(missing_ok=True)
    _record(work, plan.record | {"sha256": hashes(work)})
    work.rename(plan.folder)
    with suppress(OSError):  # other folders are still in work
        work.parent.rmdir()


def _chunks(plan: _Plan, part: str, images: Path, done: Path, left: list[int], how: How) -> Iterator[Chunk]:
    windows = plan.windows[part]
    for number in left:
        rows = chunk_rows(number, len(windows))
        given = windows[np.arange(rows.start, rows.stop)]
        yield Chunk(images.absolute(), done.absolute(), number, given, plan.drawing, how.engine)


def _record(work: Path, record: dict[str, Any]) -> None:
    """metadata.json, and the same as a pickle of plain values for those who read that."""
    text = json.dumps(record, indent=2) + "\n"
    write_atomic(work / "metadata.pkl", lambda part: joblib.dump(record, part))
    write_atomic(work / "metadata.json", lambda part: part.write_text(text, encoding="utf-8"))


def _require_same(folder: Path, record: dict[str, Any]) -> None:
    known = read_metadata(folder)
    other = [key for key in record if known.get(key) != record[key]]
    if other:
        raise ArtifactError(
            str(folder),
            expected=f"images of these candles and options ({other[0]} {record[other[0]]})",
            received=f"{known.get(other[0])}",
            remedy="another --out, or removing that folder",
        )


@contextmanager
def _cluster(how: How) -> Iterator[str]:
    """The joblib backend, inside a client of the cluster where there is one."""
    if how.backend == "loky":
        if how.scheduler is not None:
            raise ConfigError("--scheduler", expected="--backend dask", received="loky", remedy="adding it")
        yield "loky"
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "--backend dask", expected="dask installed", received="none", remedy="pip install 'deepstack[dask]'"
        ) from error
    try:
        client = Client(how.scheduler) if how.scheduler else Client(n_workers=how.workers, threads_per_worker=1)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "--scheduler",
            expected="a running Dask scheduler",
            received=str(how.scheduler),
            remedy="its address, or none",
        ) from error
    with client:
        yield "dask"
