"""Whatever is sent, the server refuses it as the sender's fault and goes on; DEEPSTACK_FUZZ asks more of it."""

import http.client
import json
import math
import os
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running_server import FEATURES, Running
from tensorflow_serving.apis import predict_pb2, regression_pb2

REQUESTS = int(os.environ.get("DEEPSTACK_FUZZ", "400"))
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
trees = st.recursive(
    plain | st.fixed_dictionaries({"b64": st.text(max_size=8)}),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
rows = st.lists(st.floats(width=32) | st.integers(-1000, 1000), min_size=FEATURES, max_size=FEATURES)
bodies = st.one_of(
    trees,
    st.fixed_dictionaries({"instances": trees | st.lists(rows, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"inputs": trees | st.fixed_dictionaries({"features": st.lists(rows, max_size=3) | trees})}),
    st.fixed_dictionaries({"signature_name": trees, "instances": st.lists(rows, min_size=1, max_size=2)}),
    st.fixed_dictionaries(
        {"signature_name": st.sampled_from(["regress", "classify", "serving_default"]), "examples": trees}
    ),
)
paths = st.sampled_from(["", "/versions/1", "/versions/3", "/labels/stable", "/labels/x", "/versions/-1"])
methods = st.sampled_from([":predict", ":classify", ":regress", ":nothing", "", "/metadata"])


def link_to(served: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(served.rest.removeprefix("http://"), timeout=60)


@pytest.mark.slow
def test_no_json_makes_the_server_fail(served: Running) -> None:
    link = link_to(served)

    @settings(max_examples=REQUESTS // 2, **SETTINGS)
    @given(body=bodies | st.binary(max_size=200), path=paths, method=methods)
    def ask(body: Any, path: str, method: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        link.request("POST", f"/v1/models/net{path}{method}", data)
        answer = link.getresponse()
        tree = json.loads(answer.read())
        assert answer.status < 500, (data, tree)
        if answer.status == 200:
            assert set(tree) & {"predictions", "outputs", "result"}
        else:
            assert set(tree) == {"error"} and isinstance(tree["error"], str)

    ask()
    _still_right(served)


@st.composite
def tensors(draw: Any) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = draw(st.sampled_from(["net", "net", "net", "", "none"]))
    request.model_spec.signature_name = draw(st.sampled_from(["", "", "serving_default", "regress", "none"]))
    for name in draw(st.lists(st.sampled_from(["features", "inputs", "x", ""]), max_size=2, unique=True)):
        tensor = request.inputs[name]
        tensor.dtype = draw(st.integers(0, 40) | st.just(1))
        for size in draw(st.lists(st.integers(-3, 8) | st.just(FEATURES) | st.just(2**40), max_size=4)):
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = draw(st.binary(max_size=100) | st.just(b"\0" * 4 * FEATURES))
        tensor.float_val.extend(draw(st.lists(st.floats(width=32), max_size=8)))
        tensor.string_val.extend(draw(st.lists(st.binary(max_size=30), max_size=3)))
    return request


@pytest.mark.slow
def test_no_protobuf_makes_the_server_fail(served: Running) -> None:
    channel = grpc.insecure_channel(served.grpc)
    ours = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS}

    def raw(method: str, data: bytes) -> grpc.StatusCode:
        call = channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
        try:
            call(data, timeout=60)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    @settings(max_examples=REQUESTS // 3, **SETTINGS)
    @given(request=tensors())
    def ask(request: predict_pb2.PredictRequest) -> None:
        assert raw("Predict", request.SerializeToString()) not in ours, request

    @settings(max_examples=REQUESTS // 6, **SETTINGS)
    @given(data=st.binary(max_size=200), signature=st.sampled_from(["regress", "classify", ""]))
    def examples(data: bytes, signature: str) -> None:
        request = regression_pb2.RegressionRequest()
        request.model_spec.name, request.model_spec.signature_name = "net", signature
        request.input.example_list.examples.add().features.feature["features"].bytes_list.value.append(data)
        for method in ("Regress", "Classify"):
            assert raw(method, request.SerializeToString()) not in ours

    ask()
    examples()
    _still_right(served)


def _still_right(served: Running) -> None:
    link = link_to(served)
    link.request("POST", "/v1/models/net:predict", json.dumps({"instances": [[0.5] * FEATURES]}))
    answer = link.getresponse()
    (row,) = json.loads(answer.read())["predictions"]
    assert answer.status == 200 and math.isfinite(row["probability"])
    assert all(version.restarts == 0 for version in served.server.models.loaded["net"].values())
