"""Stored images: what stands on the disk, what a broken-off run leaves, and training from them."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest

from deepstack.candles.market import Candles, Market
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError, ConfigError, DataError
from deepstack.gramian import Drawing
from deepstack.models import catalogue
from deepstack.pipeline.gaf import How, drawing_of, gaf
from deepstack.pipeline.market import load_source
from deepstack.pipeline.samples import Slices, find, slices
from deepstack.pipeline.train import check, train
from deepstack.samples import write_images
from deepstack.samples.gramian_images import gramian_images
from deepstack.samples.write_images import CHUNK

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """\
name: gaf
seed: 3
data:
  synthetic: {symbols: 1, bars: 6000, interval: 1min, edge: 1.0}
features: {names: [open, high, low, close, volume]}
labels:
  kind: horizons
  horizons: {lengths: [15min], volatility_bars: 60, every_bars: 5}
samples: {window_bars: 20}
model: {name: gaf_resnet18, head: classes, options: {size: 8, joint: [4], filters: [64], blocks: [1], units: 8}}
training: {strategy: none, epochs: 1, batch_size: 64}
evaluation: {bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all, logistic]}
"""
HERE = How(workers=1, dtype="float32")
SYMBOL_WINDOW = "{}_20"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    path = tmp_path_factory.mktemp("gaf") / "gaf.yaml"
    path.write_text(CONFIG)
    return read_config(path)


@pytest.fixture(scope="module")
def market(config: RunConfig) -> Market:
    """One symbol with a hole of an hour."""
    ((symbol, candles),) = load_source(config).market.items()
    frame = candles.frame.drop(candles.frame.index[3000:3060])
    return {symbol: Candles(symbol, candles.interval, frame)}


@pytest.fixture(scope="module")
def parts(config: RunConfig, market: Market) -> Slices:
    interval = next(iter(market.values())).interval
    return slices(find(market, config, catalogue.find("gaf_resnet18")), interval, config)


@pytest.fixture(scope="module")
def stored(config: RunConfig, market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("images")
    gaf(market, config, (20,), out, HERE)
    return out


def test_a_folder_holds_the_images_and_labels_of_train_and_validation(
    stored: Path, market: Market, config: RunConfig
) -> None:
    ((symbol, candles),) = market.items()
    folder = stored / SYMBOL_WINDOW.format(symbol)
    assert {path.name for path in folder.iterdir()} == {
        *(f"{part}_{what}.npy" for part in ("train", "val") for what in ("images", "labels", "times", "windows")),
        "metadata.json",
        "metadata.pkl",
    }
    record = json.loads((folder / "metadata.json").read_text())
    assert joblib.load(folder / "metadata.pkl") == record
    ohlcv = candles.frame[["open", "high", "low", "close", "volume"]].to_numpy(np.float32)
    closed = candles.frame.index.as_unit("ms").asi8
    for part in ("train", "val"):
        images, labels, times = (np.load(folder / f"{part}_{what}.npy") for what in ("images", "labels", "times"))
        assert len(images) == len(labels) == len(times) == record["samples"][part]
        last = np.searchsorted(closed, times)
        np.testing.assert_array_equal(closed[last], times)
        rows = last[:, None] + np.arange(-19, 1)
        assert (closed[rows[:, -1]] - closed[rows[:, 0]] == 19 * 60_000).all(), "a window crosses the hole"
        np.testing.assert_allclose(images, gramian_images(ohlcv[rows], Drawing(8, joint=(4,))), atol=1e-6)
    assert record["samples"]["train"] > 2 * CHUNK


def test_the_slices_are_apart_by_their_labels(stored: Path, market: Market) -> None:
    folder = stored / SYMBOL_WINDOW.format(*market)
    train, validation = (np.load(folder / f"{part}_times.npy") for part in ("train", "val"))
    assert (np.diff(train) > 0).all() and train[-1] + 15 * 60_000 < validation[0]


def test_candles_reach_the_network_as_they_are_and_the_baselines_as_features(
    parts: Slices, market: Market, config: RunConfig
) -> None:
    assert parts.across_gaps == config.samples.window_bars - 1, "one hole"
    assert parts.names == config.features.names and not parts.scalers
    (candles,) = market.values()
    index = parts.split.train[:50]
    windows = parts.inputs["features"][index]
    closed = candles.frame.loc[parts.labels.samples["decision_time"].iloc[index]]
    np.testing.assert_array_equal(windows[:, -1], closed[list(parts.names)].to_numpy(np.float32))
    assert parts.tabular is not None and len(parts.tabular) == len(parts.labels)
    assert np.abs(parts.tabular[parts.split.train].mean(axis=0)).max() < 0.1, "scaled on the training slice"


def test_a_broken_off_run_leaves_nothing_complete_and_goes_on(
    config: RunConfig, market: Market, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    whole = write_images.write_chunk

    def breaking(chunk: write_images.Chunk) -> int:
        if len(drawn) == 1:
            raise KeyboardInterrupt
        drawn.append(chunk.number)
        return whole(chunk)

    monkeypatch.setattr(write_images, "write_chunk", breaking)
    with pytest.raises(KeyboardInterrupt):
        gaf(market, config, (20,), tmp_path, HERE)
    assert {path.name for path in tmp_path.iterdir()} == {".running", ".lock"}
    told: list[int] = []

    def counting(chunk: write_images.Chunk) -> int:
        told.append(chunk.number)
        return whole(chunk)

    monkeypatch.setattr(write_images, "write_chunk", counting)
    (folder,) = gaf(market, config, (20,), tmp_path, HERE)
    assert drawn == [0] and 0 not in told[:1], "what was done is not drawn again"
    assert not (tmp_path / ".running").exists()
    for path in (stored / folder.name).iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def test_a_full_disk_is_told_before_anything_is_drawn(
    config: RunConfig, market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ArtifactError, match="no space left"):
        gaf(market, config, (20,), tmp_path, HERE)
    assert not list(tmp_path.rglob("*images*")) and not list(tmp_path.glob("[!.]*"))


def test_images_of_other_options_are_not_taken_for_these(config: RunConfig, market: Market, stored: Path) -> None:
    with pytest.raises(ArtifactError, match="float16"):
        gaf(market, config, (20,), stored, replace(HERE, dtype="float16"))


def test_several_processes_draw_the_same(config: RunConfig, market: Market, stored: Path, tmp_path: Path) -> None:
    (folder,) = gaf(market, config, (20,), tmp_path, replace(HERE, workers=2))
    for path in (stored / folder.name).iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_a_dask_cluster_draws_the_same(config: RunConfig, market: Market, stored: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    (folder,) = gaf(market, config, (20,), tmp_path, replace(HERE, workers=2, backend="dask"))
    np.testing.assert_array_equal(
        np.load(folder / "train_images.npy"), np.load(stored / folder.name / "train_images.npy")
    )


@pytest.mark.parametrize("module", ["deepstack.samples.write_images", "deepstack.pipeline.gaf", "deepstack.cli.gaf"])
def test_neither_workers_nor_the_command_load_tensorflow(module: str) -> None:
    code = f"import {module}, sys; print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_training_reads_either_source_alike(
    config: RunConfig, parts: Slices, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_files = config.model_copy(update={"samples": config.samples.model_copy(update={"images": str(stored)})})
    check(from_files)
    weights = [
        train(one, parts, tmp_path / name).model.get_weights()
        for name, one in (("graph", config), ("files", from_files))
    ]
    for made, read in zip(*weights, strict=True):
        np.testing.assert_allclose(read, made, rtol=1e-2, atol=1e-3)


def test_images_of_other_candles_are_refused(config: RunConfig, parts: Slices, stored: Path, tmp_path: Path) -> None:
    windows = parts.inputs["features"]
    values = windows.values.copy()
    values[windows.last[parts.split.train[100]], 3] *= 1.01
    other = replace(parts, inputs={"features": replace(windows, values=values)})
    with pytest.raises(DataError, match="others for the same decisions"):
        train(reading(config, stored), other, tmp_path)
    with pytest.raises(DataError, match="a finished folder of images"):
        train(reading(config, tmp_path / "no"), parts, tmp_path)


def reading(config: RunConfig, folder: Path) -> RunConfig:
    return config.model_copy(update={"samples": config.samples.model_copy(update={"images": str(folder)})})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("train_images.npy", cut, "altered"),
        ("val_times.npy", Path.unlink, "missing"),
        ("train_labels.npy", lambda path: path.write_bytes(b"nothing"), "altered"),
        ("metadata.json", cut, "cannot be read"),
    ],
)
def test_a_damaged_folder_is_refused_by_training_and_by_the_command(
    name: str,
    damage: Callable[[Path], object],
    told: str,
    config: RunConfig,
    parts: Slices,
    market: Market,
    stored: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(stored, tmp_path / "images")
    damage(tmp_path / "images" / SYMBOL_WINDOW.format(*market) / name)
    with pytest.raises(DataError, match=told):
        train(reading(config, tmp_path / "images"), parts, tmp_path)
    with pytest.raises(DataError, match=told):
        gaf(market, config, (20,), tmp_path / "images", HERE)


@pytest.mark.parametrize(
    ("how", "options", "told"),
    [
        (HERE, {"joint": [4, 2]}, "groups of the 5 channels"),
        (replace(HERE, engine="pyts"), {"size": 64, "joint": []}, "at least 64 bars"),
        (replace(HERE, engine="pyts"), {}, "no joint channels"),
        (replace(HERE, scheduler="tcp://127.0.0.1:1"), {}, "--backend dask"),
        (replace(HERE, backend="dask", scheduler="nonsense:://x"), {}, "a running Dask scheduler"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(
    how: How, options: dict, told: str, config: RunConfig, market: Market, tmp_path: Path
) -> None:
    model = config.model.model_copy(update={"options": config.model.options | options})
    with pytest.raises(ConfigError, match=told):
        gaf(market, config.model_copy(update={"model": model}), (20,), tmp_path, how)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {"name": "lstm", "head": "classes"}, "samples": {"images": "x"}}, "samples.images"),
        ({"samples": {"images": "x", "augment": {"transforms": ["noise"]}}}, "samples.augment.transforms"),
    ],
)
def test_what_cannot_be_trained_from_images_is_refused(config: RunConfig, changes: dict, told: str) -> None:
    tree = config.model_dump(mode="json")
    tree["model"]["options"] = {} if "model" in changes else tree["model"]["options"]
    for room, values in changes.items():
        tree[room] |= values
    with pytest.raises(ConfigError, match=told):
        check(RunConfig.model_validate(tree))


def test_channels_must_be_named(config: RunConfig, market: Market, tmp_path: Path) -> None:
    unnamed = config.model_copy(update={"features": config.features.model_copy(update={"names": ()})})
    with pytest.raises(ConfigError, match=r"features\.names"):
        drawing_of(unnamed)
