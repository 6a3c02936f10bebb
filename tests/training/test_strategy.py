"""Two replicas equal one, whether they are devices or processes; a lost worker is noticed and the pair goes on."""

import socket
import time

import numpy as np
import pytest

from deepstack.errors import ConfigError
from deepstack.training.strategy import is_chief, make_strategy

CONFIG = {"batch_size": 32, "epochs": 2, "learning_rate": 0.01, "clip_norm": 0.1, "checkpoint_every_steps": 2}
PLAIN = {"dropout": 0.0, "batch_norm": False}


def job(folder, name, strategy, **more):
    config = {**CONFIG, "strategy": strategy, **more.pop("config", {})}
    files = {"folder": str(folder / name.split("-")[0]), "weights": str(folder / f"{name}.npz")}
    return {"config": config, **PLAIN, **files, **more}


def pair_of_workers():
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("localhost", 0))
    workers = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}} for index in range(2)]


def assert_close(one, other, tolerance):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_two_mirrored_devices_equal_one(tmp_path, start, finish, weights):
    configs = {
        "accumulated": {"accumulate_steps": 2, "optimizer": "sgd"},
        "uncompiled": {"jit_compile": False},
        "half": {"precision": "mixed_float16"},
    }
    jobs = [
        job(tmp_path, f"{name}_{strategy}", strategy, config=config, cpu_devices=2)
        for name, config in configs.items()
        for strategy in ("none", "mirrored")
    ]
    assert '"replicas": 2' in finish(start(*jobs))
    for name in configs:
        tolerance = 5e-3 if name == "half" else 1e-5
        one, two = (weights(tmp_path / f"{name}_{strategy}.npz") for strategy in ("none", "mirrored"))
        assert_close(one, two, tolerance)


@pytest.mark.slow
def test_replicas_share_batch_norm_statistics_so_a_resumed_pair_is_bit_equal(tmp_path, start, kill_at, finish, weights):
    more = {"cpu_devices": 2, "dropout": 0.2, "batch_norm": True}
    kill_at(start(job(tmp_path, "broken", "mirrored", pause_s=0.1, **more)), 7)
    resumed, whole = (
        job(tmp_path, "broken", "mirrored", resume=True, **more),
        job(tmp_path, "whole", "mirrored", **more),
    )
    finish(start(resumed, whole))
    assert_close(weights(tmp_path / "whole.npz"), weights(tmp_path / "broken.npz"), 0)


@pytest.mark.slow
def test_two_workers_equal_one_process_and_survive_a_kill(tmp_path, start, kill_at, finish, weights):
    single = start(job(tmp_path, "single", "none"))
    pair = [
        start(job(tmp_path, f"pair-{i}", "multi_worker"), tf_config=config)
        for i, config in enumerate(pair_of_workers())
    ]
    assert all('"replicas": 2' in finish(worker) for worker in pair)
    finish(single)
    assert_close(weights(tmp_path / "single.npz"), weights(tmp_path / "pair-0.npz"), 1e-5)
    assert_close(weights(tmp_path / "pair-0.npz"), weights(tmp_path / "pair-1.npz"), 0)

    chief, other = (
        start(job(tmp_path, f"killed-{i}", "multi_worker", pause_s=0.2), tf_config=config)
        for i, config in enumerate(pair_of_workers())
    )
    kill_at(other, 5)
    killed_at = time.monotonic()
    assert finish(chief).startswith("error WorkerLostError: multi_worker: expected all 2 replicas to answer")
    assert chief.returncode == 2
    assert time.monotonic() - killed_at < 30
    again = [
        start(job(tmp_path, f"killed-{i}", "multi_worker", resume=True), tf_config=config)
        for i, config in enumerate(pair_of_workers())
    ]
    lines = [finish(worker) for worker in again]
    assert all('"steps": 18' in line for line in lines)
    assert_close(weights(tmp_path / "pair-0.npz"), weights(tmp_path / "killed-0.npz"), 0)


def test_a_strategy_that_cannot_be_set_up_says_why(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ConfigError, match=r"TF_CONFIG: expected .* see docs/distributed\.md"):
        make_strategy("multi_worker")
    monkeypatch.setenv("TF_CONFIG", "{worker")
    with pytest.raises(ConfigError, match="TF_CONFIG"):
        make_strategy("auto")


def test_auto_is_one_replica_on_a_machine_without_gpus_or_peers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["here:1"]}, "task": {"type": "worker", "index": 0}}')
    strategy = make_strategy("auto")
    assert strategy.num_replicas_in_sync == 1
    assert is_chief(strategy)
