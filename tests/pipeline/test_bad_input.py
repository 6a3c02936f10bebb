"""Every mistake of a user is one line that names file, row or key and the remedy; exit code 2; nothing half-written."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from deepstack.cli.app import main

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must be refused; returns its one line."""

    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        lines = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2, lines
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == 1
        assert lines[-1] == errors[0]
        assert not [line for line in lines if "Traceback" in line]
        for part in (": expected ", ", received ", " — try "):
            assert part in errors[0]
        return errors[0]

    return run


@pytest.fixture
def no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the trial steps of the plan, which are no part of what is tested here."""
    planned = SimpleNamespace(lines=list, memory_mb=0.0, features_mb=0.0)
    monkeypatch.setattr("deepstack.pipeline.plan.plan", lambda *_, **__: planned)


def candles(bars: int, seed: int = 0, interval_ms: int = 3_600_000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.normal(size=bars)))
    open_ = np.concatenate([[100.0], close])[:bars]
    return pd.DataFrame(
        {
            "open_time": 1_600_000_000_000 // interval_ms * interval_ms + interval_ms * np.arange(bars),
            "open": open_,
            "high": np.maximum(open_, close) * 1.002,
            "low": np.minimum(open_, close) * 0.998,
            "close": close,
            "volume": rng.lognormal(size=bars),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


def unfinished(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.name != ".running"] if out.exists() else []


def empty(folder: Path) -> Path:
    (folder / "BTCUSDT.csv").write_text("")
    return folder / "BTCUSDT.csv"


def headed_only(folder: Path) -> Path:
    return write(candles(0), folder / "BTCUSDT.csv")


def one_bar(folder: Path) -> Path:
    return write(candles(1), folder / "BTCUSDT.csv")


def no_close(folder: Path) -> Path:
    return write(candles(900).drop(columns="close"), folder / "BTCUSDT.csv")


def text(folder: Path) -> Path:
    frame = candles(900).astype({"high": object})
    frame.loc[41, "high"] = "n/a?"
    return write(frame, folder / "BTCUSDT.csv")


def short(folder: Path) -> Path:
    return write(candles(300), folder / "BTCUSDT.csv")


def quiet(folder: Path) -> Path:
    frame = candles(900)
    frame[["open", "high", "low", "close"]] = [100.0, 101.0, 99.0, 100.0]
    return write(frame, folder / "BTCUSDT.csv")


def absent(folder: Path) -> Path:
    return folder / "absent.csv"


def not_candles(folder: Path) -> Path:
    (folder / "BTCUSDT.csv").write_bytes(bytes(range(256)) * 10)
    return folder / "BTCUSDT.csv"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, ["BTCUSDT.csv"]),
        (headed_only, ["BTCUSDT.csv"]),
        (one_bar, ["BTCUSDT.csv", "one bar"]),
        (no_close, ["BTCUSDT.csv", "close"]),
        (text, ["BTCUSDT.csv", "n/a?", "43"]),
        (short, ["BTCUSDT", "420 bars", "300"]),
        (quiet, ["labels", "breakout", "900 bars"]),
        (absent, ["absent.csv"]),
        (not_candles, ["BTCUSDT.csv"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_candles_that_cannot_be_used(
    make: Callable[[Path], Path], words: list[str], refused: Refused, no_plan: None, finished: Any, tmp_path: Path
) -> None:
    line = refused("run", finished.config_file, "--yes", "--data", make(tmp_path), "--out", tmp_path / "out")
    assert not [word for word in words if word not in line], line
    assert not unfinished(tmp_path / "out")


def test_one_class_only(refused: Refused, no_plan: None, finished: Any, tmp_path: Path) -> None:
    path = write(candles(900), tmp_path / "BTCUSDT.csv")
    options = ["--yes", "--data", path, "--out", tmp_path / "out", "--set", "labels.fee_bps=9000"]
    assert "all lost" in refused("run", finished.config_file, *options)
    assert not unfinished(tmp_path / "out")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epohcs=3", ["training.epohcs", "training.epochs"]),
        ("training.epochs=0", ["training.epochs", ">= 1", "0"]),
        ("training.epochs=true", ["training.epochs", "True"]),
        ("model.name=ultimat", ["model.name", "'ultimat'", "`ultimate`"]),
        ("model.options.widht=3", ["model.options.widht", "`width`"]),
        ("model.options.width=0", ["model.options", "width", "0"]),
        ("model.options.width=wide", ["model.options.width", "int", "'wide'"]),
        ("model.options.dropout=1.0", ["model.options", "dropout", "1.0"]),
        ("model.options.attention_scales=[3]", ["attention_scales", "16", "3"]),
        ("model.options.checkpoint=often", ["checkpoint", "often"]),
        ("model.options.checkpoint=0", ["checkpoint", "0"]),
        ("model.options.l2=-1.0", ["l2", "-1"]),
        ("features.groups=[prise]", ["features.groups", "'prise'", "'price'"]),
        ("features.exclude=[rsi]", ["features.exclude", "'rsi'"]),
        ("data.synthetic.interval=soon", ["data.synthetic.interval", "'soon'"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_config_values_that_cannot_be_used(
    command: str, override: str, words: list[str], refused: Refused, finished: Any, tmp_path: Path
) -> None:
    out = ["--yes", "--out", tmp_path / "out"] if command == "run" else []
    line = refused(command, finished.config_file, "--set", override, *out)
    assert not [word for word in words if word not in line], line
    assert not unfinished(tmp_path / "out")


def test_nothing_to_resume(refused: Refused, no_plan: None, finished: Any, tmp_path: Path) -> None:
    line = refused("run", finished.config_file, "--yes", "--resume", "--out", tmp_path / "out")
    assert "unfinished run of 'tiny'" in line
    assert "without --resume" in line


# Disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a disk with the given mount options."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("mounting a disk needs root")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_read_only_disk(disk: Callable[[str], Path], refused: Refused, no_plan: None, finished: Any) -> None:
    place = disk("ro")
    assert "read-only file system" in refused("run", finished.config_file, "--yes", "--out", place)
    assert "read-only" in refused("predict", finished.folder, "--data", "x.csv", "--out", place / "signals.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(refused: Refused, no_plan: None, finished: Any, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "permission denied" in refused("run", finished.config_file, "--yes", "--out", tmp_path / "locked")


def test_a_file_where_the_folder_should_be(refused: Refused, no_plan: None, finished: Any, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert str(tmp_path / "out") in refused("run", finished.config_file, "--yes", "--out", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_disk_that_fills_up(disk: Callable[[str], Path], refused: Refused, no_plan: None, finished: Any) -> None:
    place = disk("size=64k")
    line = refused("run", finished.config_file, "--yes", "--out", place)
    assert "o space left on device" in line
    assert "freeing space" in line
    assert not list(place.glob("tiny-*"))


# Artifacts


@pytest.fixture
def copy(finished: Any, tmp_path: Path) -> Path:
    """A copy of the artifact to spoil."""
    return Path(shutil.copytree(finished.folder, tmp_path / finished.folder.name))


@pytest.fixture
def hourly(tmp_path: Path) -> list[object]:
    (tmp_path / "candles").mkdir()
    for seed, name in enumerate(("AAA", "BBB")):
        write(candles(900, seed), tmp_path / "candles" / f"{name}.csv")
    return ["--data", tmp_path / "candles"]


def both(refused: Refused, artifact: Path, data: list[object], out: Path) -> str:
    """The line by which `evaluate` and `predict` refuse alike."""
    first = refused("evaluate", artifact, *data)
    second = refused("predict", artifact, *data, "--out", out)
    assert first == second
    assert not out.exists()
    return first


@pytest.mark.parametrize(
    "name", ["model.keras", "tiny_scaler.pkl", "report.json", "serving/tiny/1/saved_model.pb", "training.csv"]
)
def test_one_changed_byte(name: str, copy: Path, hourly: list[object], refused: Refused, tmp_path: Path) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    assert name in both(refused, copy, hourly, tmp_path / "signals.csv")


def test_a_swapped_pickle(copy: Path, hourly: list[object], refused: Refused, tmp_path: Path) -> None:
    joblib.dump(0.0, copy / "tiny_threshold.pkl")
    line = both(refused, copy, hourly, tmp_path / "signals.csv")
    assert "tiny_threshold.pkl" in line
    assert "do not open" in line


def test_a_missing_file(copy: Path, hourly: list[object], refused: Refused, tmp_path: Path) -> None:
    (copy / "model.keras").unlink()
    assert "model.keras" in both(refused, copy, hourly, tmp_path / "signals.csv")


def test_no_artifact(hourly: list[object], refused: Refused, tmp_path: Path) -> None:
    assert "finished run" in both(refused, tmp_path, hourly, tmp_path / "signals.csv")
    assert "finished run" in both(refused, tmp_path / "absent", hourly, tmp_path / "signals.csv")
    assert "finished run" in both(refused, write(candles(3), tmp_path / "a.csv"), hourly, tmp_path / "signals.csv")


def test_candles_of_another_interval(finished: Any, refused: Refused, tmp_path: Path) -> None:
    path = write(candles(900, interval_ms=60_000), tmp_path / "AAA.csv")
    line = both(refused, finished.folder, ["--data", path], tmp_path / "signals.csv")
    assert "3600 s" in line
    assert "60 s" in line


def test_too_few_symbols(finished: Any, refused: Refused, tmp_path: Path) -> None:
    path = write(candles(900), tmp_path / "AAA.csv")
    assert "second symbol" in both(refused, finished.folder, ["--data", path], tmp_path / "signals.csv")


def test_too_few_bars(finished: Any, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "candles").mkdir()
    for seed, name in enumerate(("AAA", "BBB")):
        write(candles(200, seed), tmp_path / "candles" / f"{name}.csv")
    line = both(refused, finished.folder, ["--data", tmp_path / "candles"], tmp_path / "signals.csv")
    assert "warm-up" in line


def test_only_candles_the_artifact_was_trained_on(finished: Any, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "candles").mkdir()
    for name, c in finished.market.items():
        frame = c.frame.iloc[:1500].reset_index()
        frame.insert(0, "open_time", (frame.pop("close_time") - c.interval).astype("int64"))
        write(frame, tmp_path / "candles" / f"{name}.csv")
    line = refused("evaluate", finished.folder, "--data", tmp_path / "candles")
    assert "test slice" in line
    assert "later candles" in line
