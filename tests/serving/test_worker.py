"""The process of a version is warm in every signature that its records ask."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from deepstack.serving.server.worker import WARM_UP_CALLS, _warm_up, load


class Spied:
    """A SavedModel whose calls are counted by signature."""

    def __init__(self, model: Any) -> None:
        self.calls = dict.fromkeys(model.signatures, 0)
        self.signatures = {name: self._counted(name, call) for name, call in model.signatures.items()}

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**inputs: Any) -> Any:
            self.calls[name] += 1
            return call(**inputs)

        return counted


def test_every_signature_that_is_recorded_is_called(versions: Path) -> None:
    model = Spied(tf.saved_model.load(str(versions / "1")))
    _warm_up(model, versions / "1", None)
    told = {name: count for name, count in model.calls.items() if count}
    assert {"serving_default", "predict_scaled", "classify", "regress"} <= set(told)
    assert told["serving_default"] == 2 * WARM_UP_CALLS  # one row, and a batch
    assert told["classify"] == told["regress"] == WARM_UP_CALLS


def test_who_is_awaited_is_warmed_by_one_request(versions: Path) -> None:
    model = Spied(tf.saved_model.load(str(versions / "1")))
    _warm_up(model, versions / "1", 1)
    assert model.calls["serving_default"] == sum(model.calls.values()) == WARM_UP_CALLS


def test_signatures_are_told(versions: Path) -> None:
    _, definitions = load(versions / "1", 1)
    assert {"serving_default", "classify", "regress"} <= set(definitions)
