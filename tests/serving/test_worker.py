"""The process of a version is warm in every signature that its records ask, and answers as the SavedModel does."""

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from deepstack.serving.server.frames import Arrays
from deepstack.serving.server.version import Version
from deepstack.serving.server.worker import WARM_UP_CALLS, Loaded, warm_up
from deepstack.serving.session_config import read_session_config


class Spied(Loaded):
    """A version whose calls are counted by signature."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, read_session_config())
        self.calls: Counter[str] = Counter()

    def ask(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        self.calls[signature] += 1
        return super().ask(signature, inputs)


@pytest.fixture(scope="module")
def folder(versions: Path) -> Path:
    return versions / "1"


def test_every_signature_that_is_recorded_is_called(folder: Path) -> None:
    model = Spied(folder)
    warm_up(model, folder)
    assert {"serving_default", "predict_scaled", "classify", "regress"} <= set(model.calls)
    assert model.calls["serving_default"] == 2 * WARM_UP_CALLS  # one row, and a batch
    assert model.calls["classify"] == model.calls["regress"] == WARM_UP_CALLS


def test_who_is_awaited_is_warmed_by_one_request(folder: Path) -> None:
    model = Spied(folder)
    warm_up(model, folder, 1)
    assert model.calls["serving_default"] == model.calls.total() == WARM_UP_CALLS


@pytest.mark.parametrize("executor", ["", "SINGLE_THREADED_EXECUTOR"])
def test_a_session_says_what_the_saved_model_says(folder: Path, executor: str) -> None:
    settings = read_session_config()
    settings.experimental.executor_type = executor
    model, plain = Loaded(folder, settings), tf.saved_model.load(str(folder))
    assert model.signatures.keys() == plain.signatures.keys()
    values = np.random.default_rng(3).normal(size=[5, *_shape(model)]).astype(np.float32)
    wanted = plain.signatures["serving_default"](features=tf.constant(values))
    found = model.ask("serving_default", {"features": values})
    assert found.keys() == wanted.keys()
    for name, each in found.items():
        np.testing.assert_allclose(each, wanted[name], atol=1e-6, err_msg=name)
    for wrong in (values[:, :3], values.astype(np.float64), values.astype(str).astype(object)):
        with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError)):
            model.ask("serving_default", {"features": wrong})
    with pytest.raises(KeyError):
        model.ask("serving_default", {})


def test_what_cannot_be_loaded_says_why(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "1"
    shutil.copytree(folder, other)
    stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    stored.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    (other / "saved_model.pb").write_bytes(stored.SerializeToString())
    version = Version("net", 1, other)
    asyncio.run(version.load())
    assert version.state == "END"
    assert "serve" in version.error and "train" in version.error


def test_a_process_that_dies_while_it_loads_leaves_its_exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[3]); sys.exit(7)"
    python = folder.parent / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{program}' \"$@\"\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    version = Version("net", 1, folder)
    asyncio.run(version.load())
    assert version.error == "its process ended with exit code 7 while it started"


def _shape(model: Loaded) -> list[int]:
    return [dim.size for dim in model.signatures["serving_default"].inputs["features"].tensor_shape.dim][1:]
