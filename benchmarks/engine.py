"""The depth engine against plain Keras, against itself at other depths, and against PyTorch eager.

`python benchmarks/engine.py [--torch-python PATH] [--only first,depth,torch,dropout,memory]`; about eight minutes, most
of it the plain Keras network. PyTorch 2.13 (CPU) gets a `.venv-torch` of its own when no Python is named. Processes
that are compared step by step run at the same time and take turns, several rounds, so that both see the same machine.
Step times are the fastest of all rounds, first-step times medians. The engine keeps products
(`checkpoint="everything"`) in the step times and block inputs (`"input"`) in first-step times and memory.

What bounds the step (500 × 64, batch 256, 2 cores). XLA:CPU runs a loop on one core: products this small stay below
Eigen's threshold for a second thread, and independent operations of a loop body run one after another. A block costs
six products, 4 × 24 µs + 2 × 35 µs (85 and 60 GFLOP/s; one core's peak is 103), about 45 µs of memory traffic for the
three tensors it keeps (64 KB cold writes at 10 GB/s) and about 20 µs of element-wise work: 230 µs, near 0.11 s a step.
Four times PyTorch's 0.25-0.28 s on an idle machine would be 128 µs a block, which takes both cores at full rate from
the first product to the last. Tried, with seconds a step at width 64:

- weight gradients taken out of the loop into batched products, overlapped with the backward loop in 5-10 chunks by
  TensorFlow's executor on the second core: 0.099 against 0.118, and 0.284 against 0.344 at width 128 (2.5 and 1.5 times
  PyTorch), written by hand for this one block. It needs the second core idle (0.124 against 0.125 on a busy machine),
  a training step of several programs, and 3-4 s for the first step. In one XLA program it loses: 0.141 with chunks;
- columns of each block split in two independent halves, so that two threads could share a block: 88 → 88-109 µs for
  the forward pass of ten unrolled blocks (hand-over between threads costs what the half saves); compile time doubles;
- the chain and the previous chunk's weight gradients side by side in one loop body: 62 µs a block against 25 + 41
  apart, so they do not overlap;
- XLA's flags for its scheduler, oneDNN, XNNPACK and YNNPACK fusions, fast-math and 512-bit vectors: within ± 3 %;
- huge pages and another malloc policy: no change; the step takes no page faults;
- TensorFlow's own kernels without XLA: 25 µs a product but 18 µs a fused batch norm and 2-4 µs a call for the rest.

In the engine are: batch statistics kept beside the products, so that the backward pass reduces nothing twice (0.144 →
0.124 s of processor time), and dropout masks with so few operations an element that XLA neither splits the loop over
threads nor slows it down (0.168 → 0.125 s with dropout 0.1).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from _result import RESULTS, Bar, read_result, write_result
from _turns import Stepper, interleaved, own_torch

HERE = Path(__file__).resolve().parent
WORKERS, TWIN = HERE / "_engine_workers.py", HERE / "_torch_twin.py"
STEPS = 4


def worker(name: str, *arguments: object) -> dict[str, float]:
    command = [sys.executable, str(WORKERS), name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def first_step(_: str) -> dict:
    """Build and first step, 100 blocks × 128, batch 64: plain Keras against the engine, both without XLA."""
    plain = worker("plain_first", 128, 100, 64)
    ours, compiled = (median(worker("engine_first", 128, 100, 64, jit)["seconds"] for _ in range(3)) for jit in (0, 1))
    ratio = plain["seconds"] / ours
    bars = [Bar("build and first step, 100 blocks × 128: plain Keras / engine", ratio, ">=", 60, "×")]
    return {
        "bars": bars,
        "plain_first_step_s": plain["seconds"],
        "engine_first_step_s": ours,
        "engine_first_step_with_xla_s": compiled,
    }


def depth(_: str) -> dict:
    """Build and first step, 2,500 blocks against 100, width 64."""
    deep, shallow = (median(worker("engine_first", 64, d, 64, 1)["seconds"] for _ in range(3)) for d in (2500, 100))
    bars = [Bar("build and first step, width 64: 2,500 blocks / 100", deep / shallow, "<=", 2, "×")]
    return {"bars": bars, "engine_first_step_2500_s": deep, "engine_first_step_100_s": shallow}


def against_torch(torch_python: str) -> dict:
    """A training step, 500 blocks, batch 256: PyTorch eager against the engine."""
    rate = worker("sgemm")["gflops"]
    result: dict = {"bars": [], "sgemm_gflops": rate}
    for width, bar in ((64, 4.0), (128, 1.5)):
        twin = Stepper(torch_python, TWIN, width, 500, 256)
        ours = Stepper(sys.executable, WORKERS, "steps", width, 500, 256)
        torch_s, engine_s = interleaved(STEPS, twin, ours)
        achieved = 12 * 256 * width**2 * 500 / engine_s / 1e9  # six products a block; nothing is computed twice
        promise = f"step, 500 blocks × {width}, batch 256: PyTorch / engine"
        result["bars"].append(Bar(promise, torch_s / engine_s, ">=", bar, "×"))
        result[f"width_{width}"] = {
            "torch_s": torch_s,
            "engine_s": engine_s,
            "torch_median_s": median(twin.seconds),
            "engine_median_s": median(ours.seconds),
            "engine_gflops": achieved,
            "share_of_sgemm": achieved / rate,
            **{f"torch_{key}": value for key, value in twin.about.items()},
        }
        for stepper in (twin, ours):
            stepper.close()
    return result


def dropout(_: str) -> dict:
    """A training step with dropout 0.1 in every block against one without, 500 × 64, batch 256."""
    without = Stepper(sys.executable, WORKERS, "steps", 64, 500, 256)
    with_dropout = Stepper(sys.executable, WORKERS, "steps", 64, 500, 256, 0.1)
    a, b = interleaved(STEPS, without, with_dropout)
    for stepper in (without, with_dropout):
        stepper.close()
    return {"bars": [Bar("step with dropout 0.1 / without", b / a, "<=", 1.2, "×")], "without_s": a, "with_s": b}


def memory(_: str) -> dict:
    """Peak memory of training 10,000 counted layers, 2,500 blocks × 64, batch 256."""
    found = worker("memory", 64, 2500, 256)["peak_rss_mb"]
    return {"bars": [Bar("peak RSS of training 10,000 layers", found, "<=", 2000, "MB")]}


PARTS = {"first": first_step, "depth": depth, "torch": against_torch, "dropout": dropout, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", help="a Python that has PyTorch")
    parser.add_argument("--only", help=f"some of {','.join(PARTS)}; the other figures are kept")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else list(PARTS)
    torch_python = (options.torch_python or own_torch()) if "torch" in chosen else ""
    kept, figures = read_result("engine") if options.only and (RESULTS / "engine.json").exists() else ([], {})
    bars = {bar.promise: bar for bar in kept}
    code = 0
    for name in chosen:
        found = PARTS[name](torch_python)
        bars |= {bar.promise: bar for bar in found.pop("bars")}
        figures |= found
        code = write_result("engine", list(bars.values()), **figures)
    sys.exit(code)


if __name__ == "__main__":
    main()
