"""The gRPC services on TensorFlow Serving's own stubs, and the client that speaks both protocols."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from running_server import FEATURES, NAMES, Running, running
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from deepstack.serving.client import Client, NotFoundError, ServerError, UnavailableError, Where
from deepstack.serving.server.batching import Batching

ROWS = np.random.default_rng(3).normal(size=(3, FEATURES)).astype(np.float32)


def stub(served: Running):
    return prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(served.grpc))


def asked(kind, signature="", version=None, label="", name="net", **more):
    request = kind(**more)
    spec = request.model_spec
    spec.name, spec.signature_name = name, signature
    if version is not None:
        spec.version.value = version
    elif label:
        spec.version_label = label
    return request


def predict_request(rows=ROWS, **more):
    request = asked(predict_pb2.PredictRequest, **more)
    request.inputs["features"].CopyFrom(tf.make_tensor_proto(rows))
    return request


def with_examples(request, rows=ROWS):
    for row in rows:
        example = request.input.example_list.examples.add()
        example.features.feature["features"].float_list.value.extend(row.tolist())
    return request


def sized(shape, signature="", dtype=tf.float32, **values):
    """A request that says its shape and sends less."""
    request = asked(predict_pb2.PredictRequest, signature)
    tensor = request.inputs["inputs" if signature else "features"]
    tensor.dtype = dtype.as_datatype_enum
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    for name, items in values.items():
        getattr(tensor, name).extend(items)
    return request


@pytest.fixture(scope="module")
def expected(models):
    loaded = tf.saved_model.load(str(models / "net" / "2"))
    return loaded.signatures["serving_default"](features=tf.constant(ROWS))["probability"].numpy()


def test_predict_answers_as_the_saved_model_does_in_every_encoding(served, expected):
    answer = stub(served).Predict(predict_request(label="canary"))
    np.testing.assert_allclose(tf.make_ndarray(answer.outputs["probability"]), expected, atol=1e-6)
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (2, "serving_default")
    listed = asked(predict_pb2.PredictRequest)
    tensor = listed.inputs["features"]
    tensor.dtype = tf.float32.as_datatype_enum
    for size in ROWS.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend(ROWS.ravel().tolist())
    listed.output_filter.append("probability")
    found = stub(served).Predict(listed)
    assert list(found.outputs) == ["probability"]
    np.testing.assert_allclose(tf.make_ndarray(found.outputs["probability"]), expected, atol=1e-6)


def test_classify_regress_and_several_at_once(served, expected):
    one = stub(served)
    regressed = one.Regress(with_examples(asked(regression_pb2.RegressionRequest, signature="regress")))
    assert [r.value for r in regressed.result.regressions] == pytest.approx(expected, abs=1e-6)
    classified = one.Classify(with_examples(asked(classification_pb2.ClassificationRequest, signature="classify")))
    for row, probability in zip(classified.result.classifications, expected, strict=True):
        assert any(c.score == pytest.approx(probability, abs=1e-6) for c in row.classes)
    multi = with_examples(inference_pb2.MultiInferenceRequest())
    for method in ("classify", "regress"):
        task = multi.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "net", method
    results = one.MultiInference(multi).results
    assert [r.WhichOneof("result") for r in results] == ["classification_result", "regression_result"]


def test_metadata_and_status(served):
    request = asked(get_model_metadata_pb2.GetModelMetadataRequest, metadata_field=["signature_def"])
    found = get_model_metadata_pb2.SignatureDefMap()
    assert stub(served).GetModelMetadata(request).metadata["signature_def"].Unpack(found)
    assert "serving_default" in found.signature_def
    service = model_service_pb2_grpc.ModelServiceStub(grpc.insecure_channel(served.grpc))
    status = service.GetModelStatus(asked(get_model_status_pb2.GetModelStatusRequest)).model_version_status
    assert [(one.version, one.state) for one in status] == [(2, 30), (1, 30)]


BAD = [
    (predict_request(name="none"), grpc.StatusCode.NOT_FOUND),
    (predict_request(name=""), grpc.StatusCode.INVALID_ARGUMENT),
    (predict_request(version=9), grpc.StatusCode.NOT_FOUND),
    (predict_request(label="none"), grpc.StatusCode.FAILED_PRECONDITION),
    (predict_request(signature="none"), grpc.StatusCode.FAILED_PRECONDITION),
    (predict_request(rows=ROWS[:, :2]), grpc.StatusCode.INVALID_ARGUMENT),
    (predict_request(rows=ROWS.astype(np.float64)), grpc.StatusCode.INVALID_ARGUMENT),
    (predict_request(rows=ROWS[:0]), grpc.StatusCode.INVALID_ARGUMENT),
    (asked(predict_pb2.PredictRequest), grpc.StatusCode.INVALID_ARGUMENT),
    (predict_request(output_filter=["none"]), grpc.StatusCode.INVALID_ARGUMENT),
    (sized([10**8, FEATURES], float_val=[0.5]), grpc.StatusCode.INVALID_ARGUMENT),
    (sized([10**8], "classify", tf.string, string_val=[b""]), grpc.StatusCode.INVALID_ARGUMENT),
    (sized([1], "classify", tf.string), grpc.StatusCode.INVALID_ARGUMENT),
    (sized([1], "regress", tf.string), grpc.StatusCode.INVALID_ARGUMENT),
]


@pytest.mark.parametrize(("request_", "code"), BAD)
def test_what_cannot_be_answered_has_its_code(served, request_, code):
    with pytest.raises(grpc.RpcError) as caught:
        stub(served).Predict(request_, timeout=30)
    assert caught.value.code() == code and caught.value.details()


@pytest.mark.parametrize(
    ("method", "kind"),
    [("Classify", classification_pb2.ClassificationRequest), ("Regress", regression_pb2.RegressionRequest)],
)
def test_examples_for_a_signature_that_is_not_there_are_invalid(served, method, kind):
    with pytest.raises(grpc.RpcError, match="No signature was found with the name: none") as caught:
        getattr(stub(served), method)(with_examples(asked(kind, signature="none")))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_body_that_lies_about_its_shape_is_refused(served):
    request = predict_request()
    request.inputs["features"].tensor_content = b"\x00" * 7
    with pytest.raises(grpc.RpcError) as caught:
        stub(served).Predict(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_client_speaks_both_and_says_what_the_server_said(served, expected, protocol):
    address = served.grpc if protocol == "grpc" else served.rest.removeprefix("http://")
    client = Client(Where(address, protocol))
    found = client.predict("net", {"features": ROWS})
    np.testing.assert_allclose(found["probability"], expected, atol=1e-6)
    assert found["probability"].dtype == np.float32 and found["decision"].dtype == bool
    assert client.signatures("net", version=1)["serving_default"] == {"features": (-1, FEATURES)}
    client.require_features("net", NAMES)
    for others in (NAMES[::-1], NAMES[:-1], ["other", *NAMES[1:]]):
        with pytest.raises(ServerError, match=rf"these {len(others)} features in this order, received feature_list_"):
            client.require_features("net", others)
    for unknown, version in (("none", None), ("net", 77)):
        with pytest.raises(NotFoundError, match="Servable not found"):
            client.predict(unknown, {"features": ROWS}, version=version)
    client.close()


def test_only_a_server_that_is_away_is_asked_again(served):
    away = Client(Where("127.0.0.1:1", "rest"), deadline_s=2.0, retries=2)
    with pytest.raises(UnavailableError):
        away.predict("net", {"features": ROWS})
    client, calls = Client(Where(served.grpc)), []
    real = client._speak.predict
    client._speak.predict = lambda *a: calls.append(1) or real(*a)
    with pytest.raises(ServerError):
        client.predict("net", {"features": ROWS[:, :2]})
    assert len(calls) == 1

    def twice_away(*a):
        calls.append(1)
        if len(calls) < 4:
            raise UnavailableError("server", expected="an answer", received="none", remedy="waiting")
        return real(*a)

    client._speak.predict = twice_away
    assert client.predict("net", {"features": ROWS})["probability"].shape == (3,) and len(calls) == 4


def test_a_token_is_asked_of_everybody(models):
    with running(models, token="secret") as one:
        for protocol, address in (("grpc", one.grpc), ("rest", one.rest.removeprefix("http://"))):
            with pytest.raises(ServerError, match="bearer token"):
                Client(Where(address, protocol), retries=0).predict("net", {"features": ROWS})
            assert Client(Where(address, protocol, "secret")).predict("net", {"features": ROWS})


def test_a_full_queue_refuses_and_answers_those_in_it(models, expected):
    with running(models, batching=Batching(max_enqueued_rows=4, batch_timeout_ms=2000.0)) as one:
        client, waiting = (
            Client(Where(one.grpc), retries=0, deadline_s=30.0),
            one.server.models.loaded["net"][2].batchers,
        )
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(client.predict, "net", {"features": ROWS})
            while not any(queue._rows for queue in waiting.values()):
                time.sleep(0.01)
            with pytest.raises(ServerError, match="3 rows are waiting, the queue is full"):
                client.predict("net", {"features": ROWS})
            np.testing.assert_allclose(first.result()["probability"], expected, atol=1e-6)
        assert client.predict("net", {"features": ROWS})["probability"].shape == (3,)


def test_a_huge_request_is_refused(models):
    huge = np.zeros((1000, FEATURES), np.float32)
    with running(models, most_bytes=5000) as one:
        with pytest.raises(ServerError, match=r"message larger than max .* vs\. 5000"):
            Client(Where(one.grpc), retries=0).predict("net", {"features": huge})
        with pytest.raises(ServerError, match="5000 bytes at most"):
            Client(Where(one.rest.removeprefix("http://"), "rest"), retries=0).predict("net", {"features": huge})
        assert Client(Where(one.grpc)).predict("net", {"features": ROWS})["probability"].shape == (3,)


def test_a_reload_request_says_what_is_served(models, versions):
    with running(models) as one:
        service = model_service_pb2_grpc.ModelServiceStub(grpc.insecure_channel(one.grpc))
        request = model_management_pb2.ReloadConfigRequest()
        config = request.config.model_config_list.config.add(name="other", base_path=str(versions))
        config.model_version_policy.specific.versions.append(1)
        config.version_labels["best"] = 1
        assert service.HandleReloadConfigRequest(request, timeout=120).status.error_code == 0
        client = Client(Where(one.grpc))
        assert client.predict("other", {"features": ROWS}, label="best")["probability"].shape == (3,)
        with pytest.raises(ServerError, match="Servable not found"):
            client.predict("net", {"features": ROWS})
        missing = model_management_pb2.ReloadConfigRequest()
        missing.config.model_config_list.config.add()
        assert service.HandleReloadConfigRequest(missing, timeout=120).status.error_code == 3
        for code, more in ((5, {"name": "nobody"}), (5, {"base_path": str(models / "none")}), (9, {"labels": 7})):
            asked = model_management_pb2.ReloadConfigRequest()
            wrong = asked.config.model_config_list.config.add(name=more.get("name", "wrong"))
            wrong.base_path = more.get("base_path", str(versions))
            if code == 5 and "base_path" not in more:
                wrong.base_path = ""
            if "labels" in more:
                wrong.version_labels["best"] = more["labels"]
            assert service.HandleReloadConfigRequest(asked, timeout=120).status.error_code == code
            assert client.predict("other", {"features": ROWS})["probability"].shape == (3,)  # all stays as it was
