"""Warm-up requests are ones that the servable answers, one at least for every signature."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from deepstack.artifact.decision import Decision
from deepstack.artifact.export import export_saved_model
from deepstack.artifact.warmup import write_warmup
from deepstack.models.heads import binary_head

prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")


def logs(folder: Path) -> list[Any]:
    file = folder / "tf_serving_warmup_requests"
    return [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]


def sent(request: Any) -> dict[str, np.ndarray]:
    return {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}


def test_the_default_signature_is_sent_real_rows_of_every_input(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    examples = {
        "features": random.normal(size=(50, 4, 3)).astype(np.float32),
        "decision_s": random.integers(10**8, size=(50, 1)).astype(np.int32),
    }
    write_warmup(tmp_path, "moves", examples)
    requests = [log.predict_log.request for log in logs(tmp_path)]
    assert {(r.model_spec.name, r.model_spec.signature_name) for r in requests} == {("moves", "serving_default")}
    assert [len(sent(request)["features"]) for request in requests] == [1, 32]
    for request in requests:
        for name, values in sent(request).items():
            assert values.dtype == examples[name].dtype
            np.testing.assert_array_equal(values, examples[name][: len(values)])


def test_every_signature_answers_its_request_as_it_answers_the_same_row_elsewhere(
    tmp_path: Path, networks: Mapping[str, Any], features: np.ndarray, scaler: Any
) -> None:
    decision = Decision({"features": scaler}, binary_head(), None, (0.5,))
    export_saved_model(tmp_path, networks["ultimate"], decision, {"features": features}, "ultimate")
    loaded = tf.saved_model.load(str(tmp_path))
    answered = {}
    for log in logs(tmp_path / "assets.extra"):
        kind = log.WhichOneof("log_type")
        request = getattr(log, kind).request
        signature = request.model_spec.signature_name
        call = loaded.signatures[signature]
        if kind == "predict_log":
            found = call(**{name: tf.constant(values) for name, values in sent(request).items()})
        else:
            assert kind == f"{signature}_log"
            rows = [example.SerializeToString() for example in request.input.example_list.examples]
            found = call(inputs=tf.constant(rows))
        answered[signature] = {name: values.numpy() for name, values in found.items()}
    assert set(answered) == set(loaded.signatures)
    won = answered["serving_default"]["probability"][0]
    assert 0.01 < won < 0.99
    np.testing.assert_allclose(answered["predict_scaled"]["probability"], [won], atol=1e-6)
    np.testing.assert_allclose(answered["regress"]["outputs"], [won], atol=1e-6)
    np.testing.assert_allclose(answered["classify"]["scores"], [[1 - won, won]], atol=1e-6)


def test_candles_are_sent_with_the_columns_an_example_has(tmp_path: Path) -> None:
    window = np.random.default_rng(1).uniform(9, 11, (5, 4, 2)).astype(np.float32)
    names = ("close", "volume")
    write_warmup(tmp_path, "c", {"features": window}, ("serving_default", "predict_candles"), features=names)
    (candles,) = sent(logs(tmp_path)[-1].predict_log.request).values()
    assert candles.shape == (1, 4, 5)
    np.testing.assert_array_equal(candles[..., 3:], window[:1])
    np.testing.assert_array_equal(candles[..., 0], window[:1, :, 0])
