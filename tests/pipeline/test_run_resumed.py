"""A run that is interrupted, then killed, and continued each time ends as an unbroken run does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepstack.artifact.load import open_artifact
from deepstack.artifact.model import load_network

ROOT = Path(__file__).resolve().parents[2]
TIMES = {"run", "timing_s", "peak_rss_mb", "train_samples_per_s"}


def begin(finished: Any, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deepstack", "run", str(finished.config_file), "--yes", "--out", str(out), *more]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=hear_interrupts
    )


def hear_interrupts() -> None:
    """A shell lets what it starts in the background ignore them, and so would what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_step(process: subprocess.Popen[str], out: Path, step: int) -> None:
    """Return while the process trains, as soon as its checkpoint of that step or a later one is there."""
    while process.poll() is None:
        if any(int(path.name.split("-")[1]) >= step for path in out.glob(".running/*/checkpoints/step-*.npz")):
            return
        time.sleep(0.002)
    raise AssertionError(f"ended before step {step}: {process.communicate()}")


@pytest.mark.slow
def test_interrupted_and_killed_it_ends_bit_equal(finished: Any, tmp_path: Path) -> None:
    first = begin(finished, tmp_path)
    wait_for_step(first, tmp_path, 3)
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate()
    assert first.returncode == 130
    assert "Traceback" not in errors

    second = begin(finished, tmp_path, "--resume")
    wait_for_step(second, tmp_path, 14)
    os.kill(second.pid, signal.SIGKILL)
    second.communicate()
    assert not list(tmp_path.glob("tiny-*"))
    (running,) = tmp_path.glob(".running/*")

    third = begin(finished, tmp_path, "--resume")
    _, errors = third.communicate()
    assert third.returncode == 0, errors
    (folder,) = tmp_path.glob("tiny-*")
    assert folder.name == running.name
    assert not list(tmp_path.glob(".running/*"))

    whole, broken = open_artifact(finished.folder), open_artifact(folder)
    for one, other in zip(load_network(whole).get_weights(), load_network(broken).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    reports = [type(finished)(path, finished.config_file, "").report for path in (finished.folder, folder)]
    for name in reports[0].keys() - TIMES:
        assert reports[0][name] == reports[1][name], name
