"""Processes that train, started and killed by the tests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("run_fit.py")

Start = Callable[..., subprocess.Popen]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `run_fit.py` with one or more jobs; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen] = []

    def begin(*jobs: dict[str, Any], tf_config: dict[str, Any] | None = None) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
        if tf_config is not None:
            environment["TF_CONFIG"] = json.dumps(tf_config)
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(jobs)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def kill_at() -> Callable[[subprocess.Popen, int], None]:
    """Wait until a process has taken a step, then SIGKILL it."""

    def kill(process: subprocess.Popen, step: int) -> None:
        for line in process.stdout:
            if line.startswith(f"step {step}\n"):
                process.kill()
                process.wait()
                return
        raise AssertionError(f"the process ended before step {step}")

    return kill


@pytest.fixture
def finish() -> Callable[[subprocess.Popen], str]:
    """Wait for a process and return its last line."""

    def wait(process: subprocess.Popen) -> str:
        output, _ = process.communicate(timeout=300)
        return output.strip().splitlines()[-1]

    return wait


@pytest.fixture
def weights() -> Callable[[Path], list[np.ndarray]]:
    """The arrays of a weights file in order."""

    def read(path: Path) -> list[np.ndarray]:
        with np.load(path) as stored:
            return [stored[f"arr_{number}"] for number in range(len(stored.files))]

    return read
