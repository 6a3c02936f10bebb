"""A stack on two replicas: gradients sum, statistics average, masks differ, generators advance alike."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def facts() -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("run_mirrored.py"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_fit_learns(facts: dict) -> None:
    first, last = facts["fit"]
    assert last < 0.9 * first


def test_generators_advance_once_a_step(facts: dict) -> None:
    assert facts["generators_moved"] == [16]  # eight epochs of two steps


def test_gradients_sum_over_replicas(facts: dict) -> None:
    assert facts["gradient_error"] < 1e-5


def test_statistics_are_the_mean_over_replicas(facts: dict) -> None:
    assert facts["statistics_error"] < 1e-6


def test_masks(facts: dict) -> None:
    assert facts["masks_differ_between_replicas"] == pytest.approx(0.5, abs=0.06)
    assert facts["masks_differ_between_calls"] == pytest.approx(0.5, abs=0.06)
    assert facts["generators_agree"]
