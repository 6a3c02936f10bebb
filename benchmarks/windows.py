"""Windows by index: what training on windows of 100 bars costs in memory, and whether more rows slow it down.

Bars: training on 500,000 bars × 220 features × 100 steps raises peak memory over the process with everything imported
by at most twice the matrix (440 MB; all windows written out would be 44 GB), and batches come as fast from 500,000 rows
as from 50,000. About two minutes on 2 cores: `python benchmarks/windows.py`.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _result import Bar, write_result

ROWS, FEATURES, WINDOW = 500_000, 220, 100
BATCH = 256


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps({"memory": memory, "speed": speed}[sys.argv[1]](int(sys.argv[2]))))
        return
    memory_mb = _apart("memory", ROWS)
    few, many = _apart("speed", ROWS // 10), _apart("speed", ROWS)
    matrix_mb = ROWS * FEATURES * 4 / 1e6
    bars = [
        Bar("peak memory of training on windows, in matrices", memory_mb["peak_mb"] / matrix_mb, "<=", 2.0, "×"),
        Bar("speed of batches from 10 times the rows", many["samples_per_s"] / few["samples_per_s"], ">=", 0.9, "×"),
    ]
    sys.exit(write_result("windows", bars, matrix_mb=matrix_mb, memory=memory_mb, speed=[few, many]))


def memory(rows: int) -> dict[str, float]:
    """Peak resident memory of a training, above that of the imports."""
    from deepstack.config.training import TrainingConfig
    from deepstack.models.catalogue import build
    from deepstack.models.heads import binary_head
    from deepstack.training.fit import fit
    from deepstack.training.objective import objective_of

    config = TrainingConfig(epochs=1, batch_size=BATCH, strategy="none", jit_compile=False)
    before_mb = _peak_mb()
    train, validation = _samples(rows, slice(0, -20_000)), None
    validation = type(train)(
        train.x, np.arange(rows - 20_000, rows - 10_000), *(v[:10_000] for v in (train.y, train.weight))
    )
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(
            lambda: build("cnn1d", {"features": (WINDOW, FEATURES)}, binary_head(), {}),
            objective_of(binary_head(), config),
            train,
            validation,
            config,
            seed=1,
            folder=Path(folder),
        )
    return {"before_mb": before_mb, "peak_mb": _peak_mb() - before_mb, "samples_per_s": fitted.samples_per_s}


def speed(rows: int) -> dict[str, float]:
    """Training batches a second, read and thrown away."""
    from deepstack.samples.batches import BatchPlan, training_batches

    samples = _samples(rows, slice(0, None))
    steps = 150
    batches = iter(training_batches(samples, BatchPlan(len(samples), BATCH, 1, seed=1), 0, steps + 10))
    for _ in range(10):
        next(batches)
    started = time.perf_counter()
    for _ in range(steps):
        next(batches)
    return {"rows": rows, "samples_per_s": steps * BATCH / (time.perf_counter() - started)}


def _samples(rows: int, kept: slice):  # type: ignore[no-untyped-def]
    """Samples at every bar that has a window before it."""
    from deepstack.samples.batches import Samples
    from deepstack.samples.windows import Windows

    random = np.random.default_rng(1)
    values = np.empty((rows, FEATURES), np.float32)
    for start in range(0, rows, 10_000):
        values[start : start + 10_000] = random.standard_normal((len(values[start : start + 10_000]), FEATURES))
    windows = Windows(values, np.arange(rows), WINDOW)
    index = np.arange(WINDOW - 1, rows)[kept]
    won = (values[index, 0] > 0.0).astype(np.float32)
    y = np.stack([1.0 - won, won, np.zeros_like(won), np.zeros_like(won)], axis=-1)[:, None]
    return Samples({"features": windows}, index, y, np.ones((len(index), 1), np.float32))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _apart(what: str, rows: int) -> dict[str, float]:
    """In a process of its own, whose peak is its own."""
    done = subprocess.run([sys.executable, __file__, what, str(rows)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
