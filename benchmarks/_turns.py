"""Processes compared step by step: they run at the same time and take turns, so that all see the same machine."""

import json
import subprocess
import venv
from pathlib import Path

ROUNDS = 9


class Stepper:
    """A process that takes training steps when asked."""

    def __init__(self, *command: object) -> None:
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.seconds: list[float] = []
        self.about = json.loads(self._line())

    def take(self, request: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        self.seconds += json.loads(self._line())

    def close(self) -> None:
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} ended early with code {self.process.wait()}")
        return line


def interleaved(request: object, *steppers: Stepper) -> list[float]:
    """Fastest step of each, taking turns: other work on the machine only ever adds."""
    for stepper in steppers:
        stepper.seconds = []
    for _ in range(ROUNDS):
        for stepper in steppers:
            stepper.take(request)
    return [min(stepper.seconds) for stepper in steppers]


def own_torch() -> str:
    """A Python with PyTorch 2.13 for CPUs, set up beside the project on first use."""
    folder = Path(__file__).resolve().parents[1] / ".venv-torch"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch==2.13.0", "numpy"], check=True)
    return str(python)
