"""Two workers, one run: one artifact, no matter which of them; a lost chief ends the other, and both resume."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = [
    *("run", str(ROOT / "configs" / "smoke.yaml"), "--yes"),
    *("--set", "training.strategy=multi_worker", "--set", "training.checkpoint_every_steps=2"),
    *("--set", "training.jit_compile=false", "--set", "features.groups=[price, breakout]"),
    *("--set", "data.synthetic.bars=4000", "--set", "training.batch_size=64"),
    *("--set", "evaluation.bootstrap_resamples=100", "--set", "evaluation.permutation_rows=100"),
    *("--set", "evaluation.baselines=[take_all, logistic]"),
]
DEADLINE_S = 400

Start = Callable[..., list[subprocess.Popen[str]]]


def free_ports() -> list[str]:
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("localhost", 0))
    workers = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return workers


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command in two processes of one cluster; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*more: str) -> list[subprocess.Popen[str]]:
        cluster = {"worker": free_ports()}
        pair = []
        for index in range(2):
            task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            environment = {
                **os.environ,
                "TF_CONFIG": json.dumps(task),
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
                "CUDA_VISIBLE_DEVICES": "-1",
            }
            log = (tmp_path / f"log-{len(started)}-{index}").open("w")
            pair.append(
                subprocess.Popen(
                    [sys.executable, "-m", "deepstack", *RUN, "--out", str(tmp_path / "out"), *more],
                    cwd=ROOT,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            )
            log.close()
        started.extend(pair)
        return pair

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def logs(folder: Path) -> str:
    return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in sorted(folder.glob("log-*")))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_one_artifact_and_a_killed_chief_is_resumed(tmp_path: Path, start: Start) -> None:
    chief, other = start()
    checkpoints = tmp_path / "out" / ".running"
    deadline = time.monotonic() + DEADLINE_S
    while not list(checkpoints.glob("*/checkpoints/step-*.npz")):
        assert time.monotonic() < deadline and other.poll() is None, logs(tmp_path)
        time.sleep(0.05)
    chief.send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    assert other.wait(DEADLINE_S) == 2, logs(tmp_path)
    assert time.monotonic() - killed_at < 60
    errors = [line for line in (tmp_path / "log-0-1").read_text().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "--resume" in errors[0]

    pair = start("--resume")
    said = [process.communicate(timeout=DEADLINE_S)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], logs(tmp_path)
    (artifact,) = (path for path in (tmp_path / "out").glob("[!.]*") if path.is_dir())
    assert all(text.endswith(f"artifact: {artifact}\n") for text in said)
    assert "E0000" not in (tmp_path / "log-2-0").read_text(), logs(tmp_path)  # nobody was taken for crashed
    assert not list(checkpoints.iterdir())
    report = json.loads((artifact / "report.json").read_text())
    assert report["run"] == artifact.name
    assert report["epochs"] == 2
