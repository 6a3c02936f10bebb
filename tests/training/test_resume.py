"""A run killed at any step ends bit-equal to an unbroken one."""

import csv

import numpy as np
import pytest

CONFIG = {
    "strategy": "none",
    "batch_size": 32,
    "epochs": 4,
    "learning_rate": 0.01,
    "accumulate_steps": 2,
    "checkpoint_every_steps": 3,
    "schedule": {"kind": "plateau", "patience_epochs": 1},
}


def rows(path):
    with path.open() as file:
        return [{k: v for k, v in row.items() if k not in ("seconds", "samples_per_s")} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_killed_run_ends_bit_equal_to_an_unbroken_one(tmp_path, start, kill_at, finish, weights):
    def job(name, **more):
        files = {"folder": str(tmp_path / name), "weights": str(tmp_path / f"{name}.npz")}
        return {"config": CONFIG, "dropout": 0.3, "batch_norm": True, **files, **more}

    whole = start(job("whole"))
    broken = start(job("broken", pause_s=0.05))
    first, second = sorted(np.random.default_rng().choice(np.arange(1, 15), 2, replace=False).tolist())
    kill_at(broken, first)
    kill_at(start(job("broken", resume=True, pause_s=0.05)), second)
    print("killed at steps", first, second)
    assert finish(start(job("broken", resume=True))).startswith("done")
    assert finish(whole) == 'done {"steps": 16, "replicas": 1, "epochs": 4}'
    expected, received = weights(tmp_path / "whole.npz"), weights(tmp_path / "broken.npz")
    assert len(expected) == 11  # six of Dense, four of BatchNormalization, one random generator
    for one, other in zip(expected, received, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert rows(tmp_path / "whole/training.csv") == rows(tmp_path / "broken/training.csv")
