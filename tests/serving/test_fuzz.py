"""Whatever is sent, the server refuses it as the sender's fault and goes on; DEEPSTACK_FUZZ asks more of it."""

import http.client
import json
import math
import os
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running_server import FEATURES, Running
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

REQUESTS = int(os.environ.get("DEEPSTACK_FUZZ", "400"))
FLOAT, STRING = 1, 7
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}

words = st.text(st.characters(exclude_categories=()), max_size=12)  # halves of surrogate pairs too
plain = st.none() | st.booleans() | st.integers() | st.floats() | words
trees = st.recursive(
    plain | st.fixed_dictionaries({"b64": words}),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)
rows = st.lists(st.floats(width=32) | st.integers(-1000, 1000), min_size=FEATURES, max_size=FEATURES)
bodies = st.one_of(
    trees,
    st.fixed_dictionaries({"instances": trees | st.lists(rows, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"inputs": trees | st.fixed_dictionaries({"features": st.lists(rows, max_size=3) | trees})}),
    st.fixed_dictionaries({"signature_name": trees, "instances": st.lists(rows, min_size=1, max_size=2)}),
    st.fixed_dictionaries(
        {
            "signature_name": st.sampled_from(["regress", "classify", "serving_default"]),
            "examples": trees | st.lists(st.dictionaries(words | st.just("features"), trees, max_size=3), max_size=3),
        }
    ),
)
quoted = words.map(lambda text: quote(text, safe="", errors="surrogatepass"))
numbers = st.integers(0, 3).map(str) | st.from_regex(r"-?[0-9]{1,30}", fullmatch=True) | st.just("1" * 5000) | quoted
paths = st.one_of(
    st.sampled_from(["", "", "/versions/1", "/labels/stable"]),
    numbers.map("/versions/{}".format),
    quoted.map("/labels/{}".format),
    st.tuples(quoted, quoted).map(lambda two: "/{}/{}".format(*two)),
)
methods = st.sampled_from([":predict", ":predict", ":classify", ":regress", "", "/metadata", "/"]) | quoted.map(
    ":{}".format
)
verbs = st.sampled_from(["POST", "POST", "POST", "GET", "GET", "DELETE"])
ANSWERS = {"predictions", "outputs", "results", "model_version_status", "model_spec"}


def link_to(served: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(served.rest.removeprefix("http://"), timeout=60)


@pytest.mark.slow
def test_no_json_makes_the_server_fail(served: Running) -> None:
    link = link_to(served)

    @settings(max_examples=REQUESTS // 2, **SETTINGS)
    @given(body=bodies | st.binary(max_size=200), verb=verbs, path=paths, method=methods)
    def ask(body: Any, verb: str, path: str, method: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        link.request(verb, f"/v1/models/net{path}{method}", data)
        answer = link.getresponse()
        tree = json.loads(answer.read())
        assert answer.status < 500, (verb, path, method, data, tree)
        if answer.status == 200:
            assert set(tree) & ANSWERS
        else:
            assert set(tree) == {"error"} and isinstance(tree["error"], str)

    ask()
    _still_right(served)


LARGE = 10**8
"""Rows that would fill the memory, if a message of some bytes were believed."""


def specified(draw: Any, request: Any) -> Any:
    spec = request.model_spec
    spec.name = draw(st.sampled_from(["net", "net", "net", "net", "", "none"]))
    spec.signature_name = draw(st.sampled_from(["", "serving_default", "classify", "regress", "none"]))
    which = draw(st.sampled_from(["", "", "", "version", "label"]))
    if which == "version":
        spec.version.value = draw(st.integers(-1, 3) | st.integers(-(2**63), 2**63 - 1))
    elif which == "label":
        spec.version_label = draw(st.sampled_from(["stable", "canary"]) | st.text(max_size=8))
    return request


@st.composite
def tensors(draw: Any) -> predict_pb2.PredictRequest:
    request = specified(draw, predict_pb2.PredictRequest())
    for name in draw(st.lists(st.sampled_from(["features", "inputs", "x", ""]), max_size=2, unique=True)):
        tensor = request.inputs[name]
        tensor.dtype = draw(st.integers(0, 40) | st.sampled_from([FLOAT, STRING]))
        sizes = st.integers(-3, 8) | st.just(FEATURES) | st.sampled_from([LARGE, 2**40, 2**62])
        for size in draw(st.lists(sizes, max_size=4)):
            tensor.tensor_shape.dim.add(size=size)
        _fill(draw, tensor)
    return request


@st.composite
def nearly_right_tensors(draw: Any) -> predict_pb2.PredictRequest:
    """Of the right name, type and rank, with too many values, too few or none."""
    request = specified(draw, predict_pb2.PredictRequest())
    request.model_spec.name = "net"
    text = request.model_spec.signature_name = draw(st.sampled_from(["", "classify", "regress"]))
    tensor = request.inputs["inputs" if text else "features"]
    tensor.dtype = STRING if text else FLOAT
    for size in [draw(st.integers(0, 4) | st.just(LARGE))] + [FEATURES] * (not text):
        tensor.tensor_shape.dim.add(size=size)
    _fill(draw, tensor)
    return request


def _fill(draw: Any, tensor: Any) -> None:
    tensor.tensor_content = draw(st.just(b"") | st.binary(max_size=100) | st.just(b"\0" * 4 * FEATURES))
    tensor.float_val.extend(draw(st.lists(st.floats(width=32), max_size=8)))
    tensor.string_val.extend(draw(st.lists(st.binary(max_size=30), max_size=3)))


@st.composite
def inputs(draw: Any) -> input_pb2.Input:
    """tf.Examples, in a list or with a context, or none."""
    found = input_pb2.Input()
    listed = draw(st.sampled_from(["", "example_list", "example_list_with_context", "example_list_with_context"]))
    if not listed:
        return found
    examples = [getattr(found, listed).examples.add() for _ in range(draw(st.integers(0, 3)))]
    if listed == "example_list_with_context":
        examples.append(found.example_list_with_context.context)
    for example in examples:
        for name in draw(st.lists(st.just("features") | st.text(max_size=4), max_size=2, unique=True)):
            feature = example.features.feature[name]
            kind = draw(st.integers(0, 3))
            if kind == 0:
                feature.float_list.value.extend(draw(rows))
            elif kind == 1:
                feature.float_list.value.extend(draw(st.lists(st.floats(width=32), max_size=8)))
            elif kind == 2:
                feature.int64_list.value.extend(draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8)))
            else:
                feature.bytes_list.value.extend(draw(st.lists(st.binary(max_size=30), max_size=8)))
    return found


@st.composite
def about_examples(draw: Any) -> tuple[str, Any]:
    """The method and its request: Classify, Regress or MultiInference."""
    method = draw(st.sampled_from(["Classify", "Regress", "MultiInference"]))
    if method == "MultiInference":
        request: Any = inference_pb2.MultiInferenceRequest()
        for _ in range(draw(st.integers(0, 3))):
            task = specified(draw, request.tasks.add())
            task.method_name = draw(
                st.sampled_from(["", "tensorflow/serving/classify", "tensorflow/serving/regress", "predict"])
            )
    else:
        kinds = {"Classify": classification_pb2.ClassificationRequest, "Regress": regression_pb2.RegressionRequest}
        request = specified(draw, kinds[method]())
    request.input.CopyFrom(draw(inputs()))
    return f"PredictionService/{method}", request


@st.composite
def about_models(draw: Any) -> tuple[str, Any]:
    """The method and its request: metadata, status, or a config that nobody could serve."""
    method = draw(st.sampled_from(["GetModelMetadata", "GetModelStatus", "HandleReloadConfigRequest"]))
    if method == "GetModelMetadata":
        request: Any = specified(draw, get_model_metadata_pb2.GetModelMetadataRequest())
        request.metadata_field.extend(draw(st.lists(st.just("signature_def") | st.text(max_size=8), max_size=2)))
        return f"PredictionService/{method}", request
    if method == "GetModelStatus":
        return f"ModelService/{method}", specified(draw, get_model_status_pb2.GetModelStatusRequest())
    request = model_management_pb2.ReloadConfigRequest()
    if draw(st.booleans()):
        one = request.config.model_config_list.config.add(base_path=draw(st.text(max_size=20)))
        one.version_labels[draw(st.text(max_size=8))] = draw(st.integers(-(2**63), 2**63 - 1))
    return f"ModelService/{method}", request


@pytest.mark.slow
def test_no_protobuf_makes_the_server_fail(served: Running) -> None:
    channel = grpc.insecure_channel(served.grpc)
    ours = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS}
    ours.add(grpc.StatusCode.DEADLINE_EXCEEDED)

    def answered(method: str, request: Any) -> None:
        try:
            channel.unary_unary(f"/tensorflow.serving.{method}")(request.SerializeToString(), timeout=60)
        except grpc.RpcError as error:
            assert error.code() not in ours, (method, request, error.details())

    def send(share: int, requests: Any) -> None:
        @settings(max_examples=REQUESTS // share, **SETTINGS)
        @given(requests)
        def ask(one: tuple[str, Any]) -> None:
            answered(*one)

        ask()

    predict = (tensors() | nearly_right_tensors()).map(lambda request: ("PredictionService/Predict", request))
    send(4, predict)
    send(8, about_examples())
    send(8, about_models())
    _still_right(served)


def _still_right(served: Running) -> None:
    link = link_to(served)
    link.request("POST", "/v1/models/net:predict", json.dumps({"instances": [[0.5] * FEATURES]}))
    answer = link.getresponse()
    (row,) = json.loads(answer.read())["predictions"]
    assert answer.status == 200 and math.isfinite(row["probability"])
    assert all(version.restarts == 0 for version in served.server.models.loaded["net"].values())
