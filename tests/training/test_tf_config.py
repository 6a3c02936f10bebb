"""A TF_CONFIG is whole, or refused in one line that names its first wrong key."""

import json

import pytest

from deepstack.errors import ConfigError
from deepstack.training.strategy import make_strategy
from deepstack.training.tf_config import worker_addresses

TWO = {"worker": ["localhost:23456", "localhost:23457"]}
FIRST = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("cluster", "addresses"),
    [(TWO, TWO["worker"]), ({"worker": ["b:1"], "chief": ["a:1"]}, ["a:1", "b:1"])],
)
def test_the_chief_comes_first(monkeypatch, cluster, addresses):
    more = {"environment": "cloud", "rpc_layer": "grpc"}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": FIRST, **more}))
    assert worker_addresses() == addresses


@pytest.mark.parametrize("text", [None, ""])
def test_without_it_nobody_is_named(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert worker_addresses() == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"cluster": TWO, "task": 5}, "task"),
        ({"cluster": TWO}, "task"),
        ({"task": FIRST}, "cluster"),
        ({"cluster": TWO, "task": {"type": "worker", "index": 9}}, "task worker 9 of a cluster with 2"),
        ({"cluster": TWO, "task": {"type": "worker", "index": -1}}, "task.index"),
        ({"cluster": TWO, "task": {"type": "chief", "index": 0}}, "task chief 0 of a cluster with 0"),
        ({"cluster": {"worker": [1, 2]}, "task": FIRST}, "cluster.worker.0"),
        ({"cluster": {"worker": ["here"]}, "task": FIRST}, "cluster.worker.0"),
        ({"cluster": {"worker": "here:1"}, "task": FIRST}, "cluster.worker"),
        ({"cluster": {**TWO, "chief": ["a:1", "b:1"]}, "task": FIRST}, "cluster.chief"),
        ({"cluster": {**TWO, "ps": ["a:1"]}, "task": FIRST}, "cluster.ps"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}, "task.type"),
        ([], "TF_CONFIG"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch, value, words):
    monkeypatch.setenv("TF_CONFIG", json.dumps(value))
    with pytest.raises(ConfigError, match=r"^TF_CONFIG.* see docs/distributed\.md") as caught:
        make_strategy("auto")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
