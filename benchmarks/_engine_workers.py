"""What `engine.py` measures, each in a process of its own: `python benchmarks/_engine_workers.py NAME ARGUMENT …`.

Prints one line of JSON; `steps` answers each line on stdin, a number of steps, with their seconds.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense
from deepstack.pipeline.record import peak_rss_mb
from deepstack.training.step import make_train_step


def data(width: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, width)).astype(np.float32)
    return x, (rng.random((batch, 1)) < 0.5).astype(np.float32)


def engine(width: int, depth: int, checkpoint: str, dropout: float = 0.0) -> keras.Model:
    """The stack with a logit behind it, compiled as `fit` does by default: one XLA program a step."""
    inputs = keras.Input((width,))
    x = RematScan(ResidualDense(width, dropout), depth, checkpoint)(inputs)
    return ready(keras.Model(inputs, keras.layers.Dense(1)(x)), jit=True)


def ready(model: keras.Model, jit: bool) -> keras.Model:
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=jit)
    return model


def plain_first(width: int, depth: int, batch: int) -> dict[str, float]:
    """Seconds until an ordinary functional model of `depth` blocks has taken one step of Keras' own training."""
    x, y = data(width, batch)
    start = time.perf_counter()
    h = inputs = keras.Input((width,))
    for _ in range(depth):
        b = keras.layers.Dense(width, use_bias=False, kernel_initializer="he_normal")(h)
        b = keras.layers.ReLU()(keras.layers.BatchNormalization()(b))
        b = keras.layers.Dense(width, use_bias=False, kernel_initializer="he_normal")(b)
        h = keras.layers.Add()([h, keras.layers.BatchNormalization(gamma_initializer="zeros")(b)])
    model = ready(keras.Model(inputs, keras.layers.Dense(1)(h)), jit=False)
    model.train_on_batch(x, y)
    return {"seconds": time.perf_counter() - start, "peak_rss_mb": peak_rss_mb()}


def engine_first(width: int, depth: int, batch: int, jit: int) -> dict[str, float]:
    """Seconds until deepstack's own training step has been taken once with the engine."""
    x, y = data(width, batch)
    samples = (tf.constant(x[None]), tf.constant(y[None]), tf.ones((1, batch)))
    start = time.perf_counter()
    inputs = keras.Input((width,))
    stack = RematScan(ResidualDense(width), depth)
    model = keras.Model(inputs, keras.layers.Dense(1)(stack(inputs)))
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    step = make_train_step(model, optimizer, logit_loss, strategy, clip_norm=None, jit_compile=bool(jit))
    step(samples).numpy()
    return {"seconds": time.perf_counter() - start}


def logit_loss(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of each sample."""
    return tf.nn.sigmoid_cross_entropy_with_logits(y, logits)[:, 0]


def memory(width: int, depth: int, batch: int) -> dict[str, float]:
    """Peak resident memory of ten training steps."""
    x, y = data(width, batch)
    model = engine(width, depth, "input")
    for _ in range(10):
        model.train_on_batch(x, y)
    return {"peak_rss_mb": peak_rss_mb()}


def steps(width: int, depth: int, batch: int, dropout: float = 0.0) -> None:
    """Answer each line on stdin with the seconds of that many training steps."""
    x, y = (tf.constant(part) for part in data(width, batch))
    model = engine(width, depth, "everything", dropout)
    for _ in range(3):
        model.train_on_batch(x, y)
    print(json.dumps({"version": tf.__version__}), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            model.train_on_batch(x, y)
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


def sgemm() -> dict[str, float]:
    """GFLOP/s of a 1024³ float32 product on all cores, best of 20."""
    a = tf.random.normal((1024, 1024))
    product = tf.function(lambda: tf.linalg.trace(a @ a))
    product()
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        product().numpy()
        best = min(best, time.perf_counter() - start)
    return {"gflops": 2 * 1024**3 / best / 1e9}


WORKERS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (plain_first, engine_first, memory, steps, sgemm)}

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    answer = WORKERS[name](*(float(a) if "." in a else int(a) for a in arguments))
    if answer is not None:
        print(json.dumps(answer), flush=True)
