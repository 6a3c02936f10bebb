"""A SavedModel that is none of ours: inputs without a batch size in common, booleans, strings, and named bytes."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from running_server import Running, running
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from test_rest import call

from deepstack.serving.client import Client, Where

SPECS = {
    "flag": tf.TensorSpec([None], tf.bool),
    "scale": tf.TensorSpec([], tf.float32),
    "image_bytes": tf.TensorSpec([None], tf.string),
}


class Toy(tf.Module):
    """Says what it was given."""

    @tf.function(input_signature=[SPECS["flag"], SPECS["scale"], SPECS["image_bytes"]])
    def said(self, flag: Any, scale: Any, image_bytes: Any) -> dict[str, Any]:
        return {
            "flag": flag,
            "half": scale / 2.0,
            "image_bytes": image_bytes,
            "text": tf.strings.join(["got ", image_bytes]),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "word")])
    def length(self, word: Any) -> dict[str, Any]:
        return {"length": tf.strings.length(word)}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, "x")])
    def columns(self, x: Any) -> dict[str, Any]:
        return {"twice": 2.0 * x, "labels": tf.constant(["a", "b", "c"]), "sums": tf.reduce_sum(x, 0)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def turned(self, x: Any) -> dict[str, Any]:
        return {"turned": tf.complex(x, x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.bfloat16, "x")])
    def unusual(self, x: Any) -> dict[str, Any]:
        return {"twice": x + x, "sealed": tf.constant(b"ab\0")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def total(self, x: Any) -> dict[str, Any]:
        return {"total": tf.reduce_sum(x)}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("toys")
    model = Toy()
    more = {"columns": model.columns, "turned": model.turned}
    signatures = more | {
        "serving_default": model.said,
        "length": model.length,
        "total": model.total,
        "unusual": model.unusual,
    }
    tf.saved_model.save(model, str(folder / "toy" / "00000003"), signatures=signatures)
    with running(folder) as served:
        yield served


def given(**changes: Any) -> dict[str, Any]:
    picture = {"b64": base64.b64encode(b"\xff\x00").decode()}
    return {"flag": [True, False, True], "scale": 3.0, "image_bytes": [picture, "abc"]} | changes


def test_columns_need_no_batch_size_in_common(toy: Running) -> None:
    code, answer = call(toy, "/v1/models/toy:predict", {"inputs": given()})
    assert code == 200, answer
    outputs = answer["outputs"]
    assert outputs["flag"] == [True, False, True]
    assert outputs["half"] == 1.5
    assert [base64.b64decode(item["b64"]) for item in outputs["image_bytes"]] == [b"\xff\x00", b"abc"]
    assert outputs["text"][1] == "got abc"
    assert base64.b64decode(outputs["text"][0]["b64"]) == b"got \xff\x00"  # no text, whatever its name


def test_half_floats_and_a_string_that_is_no_list_arrive_as_they_are(toy: Running) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "toy", "unusual"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.5, -2.0], tf.bfloat16))
    answer = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(toy.grpc)).Predict(request)
    twice = tf.make_ndarray(answer.outputs["twice"])
    assert twice.dtype == tf.bfloat16.as_numpy_dtype and twice.tolist() == [3.0, -4.0]
    assert tf.make_ndarray(answer.outputs["sealed"]).item() == b"ab\0"
    code, said = call(toy, "/v1/models/toy:predict", {"signature_name": "unusual", "inputs": {"x": [1.5, -2.0]}})
    assert code == 200 and said["outputs"] == {"twice": [3.0, -4.0], "sealed": "ab\0"}


def test_outputs_that_are_not_by_row_are_never_cut_up(toy: Running) -> None:
    """As many requests joined as an output has items must not look like one item a request."""
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(toy.grpc))

    def asked(number: int) -> bool:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "toy", "columns"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.full((1, 3), number, np.float32)))
        found = {name: tf.make_ndarray(each).tolist() for name, each in stub.Predict(request).outputs.items()}
        return found == {"twice": [[2.0 * number] * 3], "labels": [b"a", b"b", b"c"], "sums": [float(number)] * 3}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(asked, range(200)))


@pytest.mark.parametrize("signature", ["columns", "total"])
def test_outputs_without_rows_are_no_answer_to_rows(toy: Running, signature: str) -> None:
    row = [1.0, 2.0, 3.0] if signature == "columns" else 1.0
    code, answer = call(toy, "/v1/models/toy:predict", {"signature_name": signature, "instances": [row, row]})
    assert code == 400 and "inconsistent batch sizes" in answer["error"]
    code, answer = call(toy, "/v1/models/toy:predict", {"signature_name": signature, "inputs": [row, row]})
    assert code == 200, answer


def test_complex_numbers_have_no_json(toy: Running) -> None:
    code, answer = call(toy, "/v1/models/toy:predict", {"signature_name": "turned", "inputs": [1.0]})
    assert code == 400 and "complex64 has no JSON" in answer["error"]


def test_a_few_bytes_that_say_millions_of_strings_are_refused(toy: Running) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "toy", "length"
    request.inputs["word"].CopyFrom(tf.make_tensor_proto("a", shape=[8_000_000]))
    with pytest.raises(grpc.RpcError) as refused:
        prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(toy.grpc)).Predict(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT and "bytes at most" in refused.value.details()


def test_the_same_over_grpc(toy: Running) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    for name, values in {"flag": [True], "scale": np.float32(3.0), "image_bytes": [b"\xff", b"b"]}.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    answer = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(toy.grpc)).Predict(request)
    assert tf.make_ndarray(answer.outputs["half"]) == 1.5
    assert list(tf.make_ndarray(answer.outputs["image_bytes"])) == [b"\xff", b"b"]


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_client_sends_every_type_over_both_protocols(toy: Running, protocol: Any) -> None:
    address = toy.grpc if protocol == "grpc" else toy.rest.removeprefix("http://")
    pictures = np.array([b"\xff\x00", b"abc"], object)
    inputs = {"flag": np.array([True, False]), "scale": np.float32(3.0), "image_bytes": pictures}
    found = Client(Where(address, protocol)).predict("toy", inputs)
    assert found["flag"].tolist() == [True, False] and found["flag"].dtype == bool
    assert found["half"] == 1.5 and found["half"].dtype == np.float32
    assert list(found["image_bytes"]) == list(pictures)
    assert list(found["text"]) == [b"got \xff\x00", b"got abc"]


def test_a_version_folder_may_be_padded_with_zeros(toy: Running) -> None:
    (status,) = call(toy, "/v1/models/toy")[1]["model_version_status"]
    assert (status["version"], status["state"]) == ("3", "AVAILABLE")
    assert call(toy, "/v1/models/toy/versions/3:predict", {"inputs": given()})[0] == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": ["four", "six"]}, {"predictions": [4, 3]}),
        ({"instances": [{"word": "four"}]}, {"predictions": [4]}),
        ({"instances": [{"b64": base64.b64encode(b"\xff\xfe").decode()}]}, {"predictions": [2]}),
        ({"inputs": ["four", "six"]}, {"outputs": [4, 3]}),
    ],
)
def test_the_value_of_an_only_output_stands_for_itself(toy: Running, body: Any, expected: Any) -> None:
    assert call(toy, "/v1/models/toy:predict", {"signature_name": "length"} | body) == (200, expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flag": [1, 0, 7]}, "input flag: expected bool values"),
        ({"scale": True}, "input scale: expected float32 values"),
        ({"scale": [3.0]}, "input scale: expected shape []"),
        ({"image_bytes": [3]}, "input image_bytes: expected string values"),
        ({"more": 1}, "inputs: expected flag, image_bytes, scale"),
    ],
)
def test_values_of_another_kind_are_refused(toy: Running, changes: Any, words: str) -> None:
    code, answer = call(toy, "/v1/models/toy:predict", {"inputs": given(**changes)})
    assert code == 400 and words in answer["error"]


def test_infinities_are_numbers(toy: Running) -> None:
    body = b'{"signature_name": "total", "inputs": {"x": [1.0, -Infinity]}}'
    assert call(toy, "/v1/models/toy:predict", body) == (200, {"outputs": float("-inf")})


def test_requests_of_a_model_that_sums_over_its_batch_are_not_mixed(toy: Running) -> None:
    client = Client(Where(toy.grpc))

    def ask(number: int) -> float:
        x = np.full(2, number, np.float32)
        return float(client.predict("toy", {"x": x}, signature="total")["total"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [2.0 * number for number in range(40)]


def test_a_padded_version_that_fails_does_not_keep_others_from_being_read(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        model = Toy()
        tf.saved_model.save(model, str(tmp_path / ".part"), signatures={"serving_default": model.length})
        broken = tmp_path / "broken" / "0004"
        broken.mkdir(parents=True)
        (broken / "saved_model.pb").write_bytes(b"nothing")
        served.do(served.server.models.refresh())
        assert served.server.models.gone["broken"][4].error
        (tmp_path / "good").mkdir()
        (tmp_path / ".part").rename(tmp_path / "good" / "0001")
        served.do(served.server.models.refresh())
        assert call(served, "/v1/models/good:predict", {"instances": ["four"]}) == (200, {"predictions": [4]})
