"""A sequence model of the catalogue, timed on request: `python benchmarks/_model_steps.py NAME [JIT]`.

Each line on stdin, `train N` or `one N`, asks for that many training steps of the product's own loop, or answers to one
window; the reply is their seconds as JSON. JIT, 0 or 1, replaces the catalogue's choice.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.model import compiled_for_one
from deepstack.config.training import TrainingConfig
from deepstack.models import catalogue
from deepstack.models.heads import make_head
from deepstack.models.inputs import WHEN, input_shapes
from deepstack.training.losses import make_loss
from deepstack.training.prepare import prepare

BATCH, BARS, FEATURES = 256, 64, 64
HEAD = make_head("horizons", ("5min", "15min", "60min"), 3)


def main() -> None:
    name, *jit = sys.argv[1:]
    entry = catalogue.find(name)
    timeframes = ("5min",) if entry.sees == "timeframes" else ()
    shapes = input_shapes(entry.sees, FEATURES, BARS, timeframes, when=entry.when)
    config = TrainingConfig(batch_size=BATCH, strategy="none", jit_compile=bool(int(jit[0])) if jit else "auto")
    keras.utils.set_random_seed(0)
    build = partial(catalogue.build, name, shapes, HEAD, {})
    strategy = tf.distribute.get_strategy()
    ready = prepare(build, config, make_loss(HEAD, config), strategy, "float32", BATCH, 0, None, entry.xla)
    random = np.random.default_rng(0)
    x = {
        key: np.zeros((BATCH, 1), np.int32)
        if key == WHEN
        else random.standard_normal((BATCH, *shape)).astype(np.float32)
        for key, shape in shapes.items()
    }
    y = np.zeros((1, BATCH, len(HEAD.names), HEAD.classes + 2), np.float32)
    y[..., : HEAD.classes] = np.eye(HEAD.classes)[random.integers(0, HEAD.classes, y.shape[:3])]
    batch = ({key: tf.constant(values[None]) for key, values in x.items()}, tf.constant(y), tf.ones(y.shape[:3]))
    window, answer = {key: values[:1] for key, values in x.items()}, compiled_for_one(ready.model)
    tasks = {"train": lambda: ready.train_step(batch).numpy(), "one": lambda: answer(window)}
    first = {task: _seconds(run) for task, run in tasks.items()}
    print(json.dumps({"parameters": ready.model.count_params(), "first_s": first}), flush=True)
    for line in sys.stdin:
        task, count = line.split()
        print(json.dumps([_seconds(tasks[task]) for _ in range(int(count))]), flush=True)


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
