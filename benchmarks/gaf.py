"""Gramian images: how fast the layer draws beside pyts, what drawing adds to a training step, what storing them takes.

Images of 64 × 64, both fields, from windows of 64 bars, batches of 256, pyts after its import; the layer's share of the
machine's memory bandwidth is that of its output beside two threads that fill memory. The step is `gaf_resnet18`'s,
batch 64, with images made in the graph against images made before. `deepstack gaf` stores 200,000 images while the
anonymous memory of it and its workers is watched. About five minutes on 2 cores: `python benchmarks/gaf.py`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from _result import Bar, write_result

WINDOWS, BARS, SIZE, BATCH = 10_240, 64, 64, 256
IMAGE_BYTES = SIZE * SIZE * 2 * 4
ROUNDS, STEPS = 7, 3
STORED = 200_000
CONFIG = """\
name: stored
data:
  synthetic: {{symbols: 1, bars: {bars}, interval: 1min, edge: 1.0}}
features: {{names: [close]}}
labels:
  kind: horizons
  horizons: {{lengths: [15min]}}
split: {{train: 0.85, validation: 0.1}}
samples: {{window_bars: 30}}
model: {{name: gaf_resnet18, head: classes}}
"""


def main() -> None:
    drawing = drawn()
    step = step_seconds()
    storing = stored()
    bars = [
        Bar("images a second: the layer / pyts", drawing["layer"] / drawing["pyts"], ">=", 5.0, "×"),
        Bar("training step: images made in the graph / made before", step["graph"] / step["before"], "<=", 1.05, "×"),
        Bar(f"anonymous memory while {STORED:,} images are stored", storing["anonymous_mb"], "<=", 500.0, "MB"),
    ]
    sys.exit(write_result("gaf", bars, images_per_s=drawing, step_s=step, storing=storing))


def drawn() -> dict[str, float]:
    """Images a second of both, taking turns, and the share of the memory bandwidth that the layer's output takes."""
    import tensorflow as tf
    from pyts.image import GramianAngularField as Theirs

    from deepstack.layers.gramian import GramianAngularField

    windows = np.random.default_rng(1).normal(size=(WINDOWS, BARS)).cumsum(axis=1).astype(np.float32)
    layer = GramianAngularField(SIZE)
    draw = tf.function(layer, input_signature=[tf.TensorSpec((BATCH, BARS, 1))])
    batches = [tf.constant(windows[start : start + BATCH, :, None]) for start in range(0, WINDOWS, BATCH)]
    theirs = [Theirs(image_size=SIZE, method=method) for method in ("summation", "difference")]

    def by_layer() -> None:
        for batch in batches:
            draw(batch)

    def by_pyts() -> None:
        for start in range(0, WINDOWS, BATCH * 8):
            for one in theirs:
                one.transform(windows[start : start + BATCH * 8])

    layer_s, pyts_s = fastest(by_layer, by_pyts)
    share = WINDOWS * IMAGE_BYTES / layer_s / bandwidth()
    print(f"the layer's output takes {share:.0%} of the memory bandwidth of two filling threads")
    return {"layer": WINDOWS / layer_s, "pyts": WINDOWS / pyts_s, "share_of_bandwidth": share}


def bandwidth() -> float:
    """Bytes a second that two threads write to memory."""
    blocks = [np.zeros(32_000_000, np.float32) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        (seconds,) = fastest(lambda: list(pool.map(lambda block: block.fill(1.0), blocks)))
    return sum(block.nbytes for block in blocks) / seconds


def step_seconds() -> dict[str, float]:
    """Fastest training step from windows and from images made before, taking turns."""
    import tensorflow as tf

    from deepstack.config.training import TrainingConfig
    from deepstack.layers.gramian import GramianAngularField
    from deepstack.models import catalogue
    from deepstack.models.heads import binary_head
    from deepstack.training.losses import make_loss
    from deepstack.training.prepare import prepare

    config = TrainingConfig(batch_size=64, strategy="none", jit_compile=False)
    windows = np.random.default_rng(2).normal(size=(64, 30, 1)).cumsum(axis=1).astype(np.float32)
    given = {"graph": windows, "before": GramianAngularField(SIZE)(windows).numpy()}
    y = np.zeros((1, 64, 1, 4), np.float32)
    y[:, :, 0, 0] = 1.0
    steps = {}
    for name, x in given.items():
        build = partial(catalogue.build, "gaf_resnet18", {"features": x.shape[1:]}, binary_head(), {})
        loss, strategy = make_loss(binary_head(), config), tf.distribute.get_strategy()
        ready = prepare(build, config, loss, strategy, "float32", 64, 0, None, False)
        batch = {"features": tf.constant(x[None])}, tf.constant(y), tf.ones((1, 64, 1))

        def step(ready: object = ready, batch: tuple = batch) -> None:
            for _ in range(STEPS):
                ready.train_step(batch).numpy()  # type: ignore[attr-defined]

        step()
        steps[name] = step
    return dict(zip(steps, (seconds / STEPS for seconds in fastest(*steps.values())), strict=True))


def stored() -> dict[str, float]:
    """Largest anonymous memory of the command and its workers, and images a second."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "stored.yaml"
        config.write_text(CONFIG.format(bars=int(STORED / 0.95) + 600))
        command = [sys.executable, "-m", "deepstack", "gaf", str(config), "--out", f"{folder}/images", "--workers", "2"]
        started, most = time.perf_counter(), 0.0
        process = subprocess.Popen(command, start_new_session=True)
        while process.poll() is None:
            most = max(most, anonymous_mb(process.pid))
            time.sleep(0.2)
        seconds = time.perf_counter() - started
        if process.returncode:
            sys.exit(process.returncode)
        files = Path(folder).rglob("*_images.npy")
        images = sum(len(np.load(path, mmap_mode="r")) for path in files)
    return {"anonymous_mb": most, "images": images, "seconds": seconds}


def anonymous_mb(session: int) -> float:
    """Anonymous resident memory of every process of a session, MB; mapped files do not count."""
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(place.name)) != session:
                continue
            lines = (place / "status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
    return total / 1e3


def fastest(*runs: Callable[[], object]) -> list[float]:
    """Fastest seconds of each, taking turns: other work on the machine only ever adds."""
    best = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for number, run in enumerate(runs):
            started = time.perf_counter()
            run()
            best[number] = min(best[number], time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()
