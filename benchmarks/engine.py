"""The depth engine: time to the first step, step time against PyTorch eager, the price of dropout, memory.

Each figure comes from a process of its own; ratios from rounds that alternate. PyTorch 2.13 (CPU) lives in
`.venv-torch`, made here when it is missing. About 10 minutes on 2 cores: `python benchmarks/engine.py [--rounds N]`.

Bars: build + first step of 100 blocks × 128 at least 60 times sooner than the plain functional net; 2,500 blocks at
most 2 times as long as 100; a step of 500 blocks, batch 256, at least 4 times (width 64) and 1.5 times (width 128) as
fast as PyTorch eager; dropout 0.1 in every block at most 20 % of the step; 10,000 layers in at most 2 GB.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TORCH_PYTHON = ROOT / ".venv-torch" / "bin" / "python"
STEPS = 10


def engine(blocks: int, width: int, batch: int, dropout: float, checkpoint: str, jit: bool) -> dict[str, float]:
    """Build a stack, take a first step and STEPS more with Adam through Keras' own `train_on_batch`."""
    import keras
    import numpy as np

    from deepstack.layers.remat_scan import RematScan
    from deepstack.layers.residual_dense import ResidualDense

    x, y = _data(np, batch, width)
    started = time.perf_counter()
    inputs = keras.Input((width,))
    stack = RematScan(ResidualDense(width, dropout), blocks, checkpoint)
    model = keras.Model(inputs, keras.layers.Dense(1)(stack(inputs)))
    return _train(keras, model, x, y, started, jit)


def functional(blocks: int, width: int, batch: int) -> dict[str, float]:
    """The same net as a plain functional model of Dense, BatchNormalization, ReLU and add."""
    import keras
    import numpy as np

    x, y = _data(np, batch, width)
    started = time.perf_counter()
    h = inputs = keras.Input((width,))
    for _ in range(blocks):
        z = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Dense(width, use_bias=False)(h)))
        z = keras.layers.BatchNormalization(gamma_initializer="zeros")(keras.layers.Dense(width, use_bias=False)(z))
        h = keras.layers.add([h, z])
    return _train(keras, keras.Model(inputs, keras.layers.Dense(1)(h)), x, y, started, False)


def sgemm_gflops() -> float:
    """Rate of a 1024³ float32 product on all cores."""
    import tensorflow as tf

    a = tf.random.normal((1024, 1024))
    rates = []
    for _ in range(8):
        started = time.perf_counter()
        (a @ a).numpy()
        rates.append(2 * 1024**3 / (time.perf_counter() - started) / 1e9)
    return max(rates)


def _train(keras: object, model: object, x: object, y: object, started: float, jit: bool) -> dict[str, float]:
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=jit)
    model.train_on_batch(x, y)
    first, seconds = time.perf_counter() - started, []
    for _ in range(STEPS):
        started = time.perf_counter()
        model.train_on_batch(x, y)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"first_s": first, "step_s": statistics.median(seconds), "peak_rss_gb": peak}


def _data(np: object, batch: int, width: int) -> tuple:
    random = np.random.default_rng(0)
    return random.normal(size=(batch, width)).astype("float32"), (random.random((batch, 1)) < 0.5).astype("float32")


TORCH = """
import json, statistics, sys, time, torch
from torch import nn
blocks, width, batch, steps = map(int, sys.argv[1:])
torch.manual_seed(0)
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.n, self.m = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
    def forward(self, x):
        return x + self.m(self.b(torch.relu(self.n(self.a(x)))))
net = nn.Sequential(*[Block() for _ in range(blocks)], nn.Linear(width, 1))
optimizer, loss = torch.optim.Adam(net.parameters(), 1e-3), nn.BCEWithLogitsLoss()
x, y = torch.randn(batch, width), (torch.rand(batch, 1) < 0.5).float()
seconds = []
for _ in range(steps + 1):
    started = time.perf_counter()
    optimizer.zero_grad()
    loss(net(x), y).backward()
    optimizer.step()
    seconds.append(time.perf_counter() - started)
print(json.dumps({"step_s": statistics.median(seconds[1:])}))
"""


def _case(name: str, *arguments: object) -> dict:
    command = [sys.executable, __file__, "--case", json.dumps([name, *arguments])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _torch(python: Path, blocks: int, width: int, batch: int) -> dict:
    command = [str(python), "-c", TORCH, *map(str, (blocks, width, batch, STEPS))]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def _torch_python() -> Path:
    if not TORCH_PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(TORCH_PYTHON.parents[1])], check=True)
        subprocess.run([str(TORCH_PYTHON), "-m", "pip", "install", "--quiet", "torch==2.13.0", "numpy"], check=True)
    return TORCH_PYTHON


def _median(rows: list[dict], key: str) -> float:
    return statistics.median(row[key] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", type=Path)
    arguments = parser.parse_args()
    if arguments.case:
        name, *values = json.loads(arguments.case)
        print(json.dumps({"engine": engine, "functional": functional, "sgemm": sgemm_gflops}[name](*values)))
        return
    from _experiment import write_result

    torch, rounds = arguments.torch_python or _torch_python(), range(arguments.rounds)
    steps: dict[str, dict[str, float]] = {}
    for width in (64, 128):
        ours, theirs, kept = [], [], []
        for _ in rounds:
            theirs.append(_torch(torch, 500, width, 256))
            ours.append(_case("engine", 500, width, 256, 0.0, "input", True))
            kept.append(_case("engine", 500, width, 256, 0.0, "everything", True))
        steps[str(width)] = {
            "engine_s": _median(ours, "step_s"),
            "engine_everything_s": _median(kept, "step_s"),
            "torch_s": _median(theirs, "step_s"),
            "gflop": 500 * 2 * 3 * 2 * 256 * width**2 / 1e9,
        }
    dropped, plain = [], []
    for _ in rounds:
        plain.append(_case("engine", 500, 64, 256, 0.0, "input", True))
        dropped.append(_case("engine", 500, 64, 256, 0.1, "input", True))
    shallow = [_case("engine", 100, 64, 256, 0.0, "input", True) for _ in rounds]
    deep = [_case("engine", 2500, 64, 256, 0.0, "input", True) for _ in rounds]
    small = [_case("engine", 100, 128, 64, 0.0, "input", False) for _ in rounds]
    print("the functional net takes minutes", file=sys.stderr)
    flat = _case("functional", 100, 128, 64)
    sgemm = _case("sgemm")
    best = {w: min(s["engine_s"], s["engine_everything_s"]) for w, s in steps.items()}
    bars = {
        "first step, functional / engine (100 × 128)": [flat["first_s"] / _median(small, "first_s"), ">=", 60],
        "first step, 2,500 / 100 blocks": [_median(deep, "first_s") / _median(shallow, "first_s"), "<=", 2],
        "step, torch / engine, width 64": [steps["64"]["torch_s"] / best["64"], ">=", 4],
        "step, torch / engine, width 128": [steps["128"]["torch_s"] / best["128"], ">=", 1.5],
        "dropout 0.1, step with / without": [_median(dropped, "step_s") / _median(plain, "step_s"), "<=", 1.2],
        "10,000 layers, peak RSS GB": [max(row["peak_rss_gb"] for row in deep), "<=", 2],
    }
    rates = {
        w: {"gflops": s["gflop"] / best[w], "share_of_sgemm": s["gflop"] / best[w] / sgemm} for w, s in steps.items()
    }
    first = {"functional_s": flat["first_s"], "engine_s": _median(small, "first_s")}
    first |= {"blocks_100_s": _median(shallow, "first_s"), "blocks_2500_s": _median(deep, "first_s")}
    write_result("engine", {"bars": bars, "steps": steps, "rates": rates, "sgemm_gflops": sgemm, "first_step": first})


if __name__ == "__main__":
    main()
