"""Small trainings in their own process, for tests that kill or spread it: `python run_fit.py '[{"folder": …}]'`."""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from deepstack.config.training import TrainingConfig
from deepstack.errors import DeepstackError
from deepstack.models.heads import binary_head
from deepstack.samples.batches import Samples
from deepstack.training.fit import fit
from deepstack.training.objective import objective_of
from deepstack.training.resume import model_values


def make_samples(rows: int = 400) -> tuple[Samples, Samples]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    won = x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=rows) > 0
    y = np.stack([~won, won, *np.zeros((2, rows))], axis=1)[:, None].astype(np.float32)
    weight = rng.uniform(0.5, 1.5, (rows, 1)).astype(np.float32)
    cut = rows * 3 // 4
    order = np.arange(rows)
    return tuple(Samples(x, order[part], y[part], weight[part]) for part in (slice(0, cut), slice(cut, rows)))


def make_model(dropout: float = 0.2, batch_norm: bool = True) -> keras.Model:
    inputs = keras.Input((6,), name="features")
    x = keras.layers.Dense(16, kernel_regularizer=keras.regularizers.L2(1e-3))(inputs)
    if batch_norm:
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(dropout)(keras.layers.ReLU()(x))
    x = keras.layers.Dense(8, activation="tanh")(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logit", dtype="float32")(x))


def main(job: dict) -> int:
    def tell(stage: str, done: int, total: int, note: str = "") -> None:
        print(f"step {done}", flush=True)
        time.sleep(job.get("pause_s", 0.0))

    train, validation = make_samples()
    config = TrainingConfig(**job["config"])
    try:
        result = fit(
            lambda: make_model(job["dropout"], job["batch_norm"]),
            objective_of(binary_head(), config),
            train,
            validation,
            config,
            seed=3,
            folder=Path(job["folder"]),
            resume=job.get("resume", False),
            progress=tell,
        )
    except DeepstackError as error:
        print(f"error {type(error).__name__}: {error}", flush=True)
        return 2
    np.savez(job["weights"], *model_values(result.model))
    print(
        f"done {json.dumps({'steps': result.steps, 'replicas': result.replicas, 'epochs': result.epochs})}", flush=True
    )
    return 0


if __name__ == "__main__":
    jobs = json.loads(sys.argv[1])
    if jobs[0].get("cpu_devices", 1) > 1:
        devices = [tf.config.LogicalDeviceConfiguration()] * jobs[0]["cpu_devices"]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    sys.exit(max(main(job) for job in jobs))
