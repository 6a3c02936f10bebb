"""Speed of every model, and of four of them against the same network in PyTorch eager.

Training samples a second and latency of one window, at the same size for all: windows of 64 bars × 64 features, batches
of 256, three horizons, default options. Twins take turns with the product's own training step and its compiled answer
to one window; the fastest of nine rounds counts. The step times also become the column of `deepstack models`.

`python benchmarks/models.py [--torch-python PATH] [--models lstm,gru]`; about ten minutes. PyTorch 2.13 (CPU) gets a
`.venv-torch` of its own when no Python is named.
"""

import argparse
import json
import sys
from pathlib import Path

from _result import RESULTS, Bar, read_result, write_result
from _turns import Stepper, interleaved, own_torch

from deepstack.models.catalogue import MODELS, STEP_MS

HERE = Path(__file__).resolve().parent
BATCH = 256
TWINS = ("lstm", "gru", "cnn1d", "transformer_encoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="a Python that has PyTorch")
    parser.add_argument("--models", default=",".join(MODELS))
    options = parser.parse_args()
    figures = read_result("models")[1]["models"] if (RESULTS / "models.json").exists() else {}
    code = 0
    for name in options.models.split(","):
        twin = (options.torch_python or own_torch()) if name in TWINS else None
        figures[name] = measured(name, twin)
        print(name, json.dumps(figures[name]), flush=True)
        code = write_result("models", bars(figures), models=figures)
    known = {name: round(one["step_ms"], 1) for name, one in sorted(figures.items())}
    STEP_MS.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    sys.exit(code)


def measured(name: str, torch_python: str | None) -> dict[str, float]:
    """Milliseconds of a training step and of one window, ours and the twin's where there is one."""
    steppers = [Stepper(sys.executable, HERE / "_model_steps.py", name)]
    if torch_python:
        steppers.append(Stepper(torch_python, HERE / "_torch_models.py", name))
    train, one = (interleaved(request, *steppers) for request in ("train 4", "one 100"))
    for stepper in steppers:
        stepper.close()
    found = {
        "parameters": steppers[0].about["parameters"],
        "first_step_s": steppers[0].about["first_s"]["train"],
        "step_ms": 1e3 * train[0],
        "samples_per_s": BATCH / train[0],
        "window_ms": 1e3 * one[0],
    }
    return found | ({"torch_step_ms": 1e3 * train[1], "torch_window_ms": 1e3 * one[1]} if torch_python else {})


def bars(figures: dict[str, dict[str, float]]) -> list[Bar]:
    """Two a twin."""
    found = []
    for name in TWINS:
        if name in figures:
            one = figures[name]
            training, window = one["torch_step_ms"] / one["step_ms"], one["torch_window_ms"] / one["window_ms"]
            found.append(Bar(f"{name}, training samples a second: ours / PyTorch", training, ">=", 1.0, "×"))
            found.append(Bar(f"{name}, latency of one window: PyTorch / ours", window, ">=", 1.0, "×"))
    return found


if __name__ == "__main__":
    main()
