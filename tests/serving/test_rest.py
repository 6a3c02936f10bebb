"""The REST surface, case by case after TensorFlow Serving's RESTful API reference."""

import base64
import json
import logging
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from running_server import FEATURES, Running, running

ROWS = np.random.default_rng(3).normal(size=(3, FEATURES)).astype(np.float32)


def call(served: Running, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(served.rest + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def expected(models: Any) -> dict[int, np.ndarray]:
    """Version → the SavedModel's own probabilities of ROWS."""
    found = {}
    for number in (1, 2):
        loaded = tf.saved_model.load(str(models / "net" / str(number)))
        found[number] = loaded.signatures["serving_default"](features=tf.constant(ROWS))["probability"].numpy()
    return found


@pytest.mark.parametrize(
    ("path", "version"),
    [("", 2), ("/versions/1", 1), ("/versions/2", 2), ("/labels/stable", 1), ("/labels/canary", 2)],
)
def test_rows_and_columns_are_answered_by_the_version_asked(served, expected, path, version) -> None:
    code, rows = call(served, f"/v1/models/net{path}:predict", {"instances": ROWS.tolist()})
    assert code == 200
    assert [row["probability"] for row in rows["predictions"]] == pytest.approx(expected[version], abs=1e-6)
    assert [row["decision"] for row in rows["predictions"]] == [bool(p >= 0.5) for p in expected[version]]
    code, columns = call(served, f"/v1/models/net{path}:predict", {"inputs": {"features": ROWS.tolist()}})
    assert code == 200 and columns["outputs"]["probability"] == pytest.approx(expected[version], abs=1e-6)


def test_named_rows_plain_columns_and_the_signature_by_name(served, expected) -> None:
    named = {"signature_name": "serving_default", "instances": [{"features": row} for row in ROWS.tolist()]}
    code, rows = call(served, "/v1/models/net:predict", named)
    assert code == 200 and [row["probability"] for row in rows["predictions"]] == pytest.approx(expected[2], abs=1e-6)
    code, columns = call(served, "/v1/models/net:predict", {"inputs": ROWS.tolist()})
    assert code == 200 and columns["outputs"]["probability"] == pytest.approx(expected[2], abs=1e-6)


def test_a_value_that_is_not_finite_is_answered_as_such(served) -> None:
    body = b'{"instances": [[NaN, 0, 0, 0, 0, 0]]}'
    code, answer = call(served, "/v1/models/net:predict", body)
    (row,) = answer["predictions"]
    assert code == 200 and np.isnan(row["probability"]) and row["decision"] is False


def test_status_of_all_of_one_and_of_a_label(served) -> None:
    code, answer = call(served, "/v1/models/net")
    ok = {"error_code": "OK", "error_message": ""}
    assert code == 200
    assert answer["model_version_status"] == [
        {"version": "2", "state": "AVAILABLE", "status": ok},
        {"version": "1", "state": "AVAILABLE", "status": ok},
    ]
    for path, version in (("/versions/1", "1"), ("/labels/canary", "2")):
        (one,) = call(served, f"/v1/models/net{path}")[1]["model_version_status"]
        assert one["version"] == version


def test_metadata_tells_inputs_and_outputs(served) -> None:
    code, answer = call(served, "/v1/models/net/metadata")
    assert code == 200 and answer["model_spec"] == {"name": "net", "signature_name": "", "version": "2"}
    definition = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["method_name"] == "tensorflow/serving/predict"
    shape = definition["inputs"]["features"]["tensor_shape"]["dim"]
    assert [dim["size"] for dim in shape] == ["-1", str(FEATURES)]
    assert definition["inputs"]["features"]["dtype"] == "DT_FLOAT"
    assert set(definition["outputs"]) == {"probability", "decision"}
    assert call(served, "/v1/models/net/versions/1/metadata")[1]["model_spec"]["version"] == "1"


def test_classify_and_regress_take_plain_json_examples(served, expected) -> None:
    signatures = call(served, "/v1/models/net/metadata")[1]["metadata"]["signature_def"]["signature_def"]
    assert {"classify", "regress"} <= set(signatures)
    examples = [{"features": row} for row in ROWS.tolist()]
    code, found = call(served, "/v1/models/net:regress", {"signature_name": "regress", "examples": examples})
    assert code == 200 and found["results"] == pytest.approx(expected[2], abs=1e-6)
    assert found["result"] == found["results"]
    code, found = call(served, "/v1/models/net:classify", {"signature_name": "classify", "examples": examples})
    assert code == 200 and len(found["results"]) == 3
    for row, probability in zip(found["results"], expected[2], strict=True):
        scores = dict(row)
        assert probability in (pytest.approx(score, abs=1e-6) for score in scores.values())
    context = {"signature_name": "regress", "context": examples[0], "examples": [{}, examples[1]]}
    assert call(served, "/v1/models/net:regress", context)[1]["results"] == pytest.approx(expected[2][:2], abs=1e-6)


BAD = [
    ("/v1/models/none:predict", {"instances": [[0] * FEATURES]}, 404, "Servable not found"),
    ("/v1/models/net/versions/9:predict", {"instances": [[0] * FEATURES]}, 404, "Servable not found"),
    ("/v1/models/net/labels/none:predict", {"instances": [[0] * FEATURES]}, 400, "label"),
    ("/v1/models/net/versions/x:predict", {"instances": [[0] * FEATURES]}, 400, "Malformed"),
    ("/v1/models/net:predict", b"{", 400, "JSON Parse error"),
    ("/v1/models/net:predict", b"[1]", 400, "JSON object"),
    ("/v1/models/net:predict", {}, 400, "Missing 'inputs' or 'instances'"),
    ("/v1/models/net:predict", {"instances": [[0] * FEATURES], "inputs": [[0]]}, 400, "not both"),
    ("/v1/models/net:predict", {"instances": []}, 400, "instances"),
    ("/v1/models/net:predict", {"instances": {}}, 400, "instances"),
    ("/v1/models/net:predict", {"instances": [[0, 1]]}, 400, "shape"),
    ("/v1/models/net:predict", {"instances": [[0] * FEATURES, [0]]}, 400, "features"),
    ("/v1/models/net:predict", {"instances": [["a"] * FEATURES]}, 400, "features"),
    ("/v1/models/net:predict", {"instances": [{"other": [0] * FEATURES}]}, 400, "expected features"),
    ("/v1/models/net:predict", {"instances": [{"features": [0] * FEATURES}, {"x": 1}]}, 400, "same keys"),
    ("/v1/models/net:predict", {"inputs": {"features": []}}, 400, "shape"),
    ("/v1/models/net:predict", {"signature_name": "none", "instances": [[0] * FEATURES]}, 400, '"none" not found in'),
    ("/v1/models/net:predict", {"signature_name": 7, "instances": [[0] * FEATURES]}, 400, "string"),
    ("/v1/models/net:predict", {"instances": [[{"b64": "!!"}] * FEATURES]}, 400, "base64"),
    ("/v1/models/net:classify", {"examples": [{"features": [0.0] * FEATURES}]}, 400, "classify"),
    ("/v1/models/net:regress", {"signature_name": "regress", "examples": []}, 400, "examples"),
    ("/v1/models/net:regress", {"signature_name": "regress", "examples": [3]}, 400, "JSON object"),
    ("/v1/models/net:regress", {"signature_name": "regress", "examples": [{"other": 1.0}]}, 400, ""),
    ("/v1/models/net:explain", {"instances": [[0] * FEATURES]}, 400, "Malformed"),
    (
        "/v1/models/net:regress",
        {"signature_name": "x", "examples": [{}]},
        400,
        "No signature was found with the name: x",
    ),
    (
        "/v1/models/net:classify",
        {"signature_name": "x", "examples": [{}]},
        400,
        "No signature was found with the name: x",
    ),
    ("/v1/models/net/labels/a:b:predict", {}, 400, "Malformed request: POST /v1/models/net/labels/a:b:predict"),
    ("/v1/models/a:b:predict", {}, 400, "Malformed request: POST /v1/models/a:b:predict"),
    ("/v1/models/net", {"x": 1}, 400, "Malformed request: POST /v1/models/net"),
    ("/v1/models/net:predict", None, 400, "Malformed request: GET /v1/models/net:predict"),
    ("/v1/models/net/", None, 400, "Malformed request: GET /v1/models/net/"),
    ("/v1/models/net/versions/x", None, 400, "Malformed request: GET /v1/models/net/versions/x"),
    ("/v1/models/net/versions/9223372036854775808", None, 400, "Failed to convert version"),
    ("/v1/models/net/versions/" + 5000 * "1", None, 400, "Failed to convert version"),
    ("/v1/models/net/versions/%D9%A1", None, 400, "Malformed request: GET"),
    ("/v1/models/net/other/1", None, 400, "Malformed request: GET"),
    ("/v1/models/net:predict", {"inputs": {"\ud800": 1}}, 400, "expected features, received"),
    ("/v1/models/net:predict", {"signature_name": "\ud800", "instances": [1]}, 400, "not found in signature def"),
    ("/v1/models/net:regress", {"signature_name": "\ud800", "examples": [{}]}, 400, "No signature was found"),
    ("/v1/models/net:regress", {"examples": [{"\ud800": 1.0}]}, 400, "Example feature"),
    ("/v1/nothing", {"x": 1}, 400, "Malformed request: POST /v1/nothing"),
    ("/nothing", {"x": 1}, 404, "Malformed request: POST /nothing"),
]


@pytest.mark.parametrize(("path", "body", "code", "message"), BAD)
def test_what_cannot_be_answered_has_its_code_and_one_line(served, path, body, code, message) -> None:
    found, answer = call(served, path, body)
    assert found == code and set(answer) == {"error"} and message in answer["error"]


def test_routes_of_ones_own_answer_in_one_line_as_well(tmp_path, caplog) -> None:
    routes = APIRouter()

    @routes.get("/half")
    async def half() -> Response:
        return JSONResponse({"symbol": "\ud800"})

    @routes.get("/broken")
    async def broken() -> Response:
        raise KeyError("nothing of this is told to the client")

    with running(tmp_path, more=routes) as one:
        logging.getLogger("uvicorn.error").addHandler(caplog.handler)
        code, answer = call(one, "/half")
        assert code == 400 and "valid Unicode expected" in answer["error"]
        assert call(one, "/broken") == (500, {"error": "KeyError: the server's log says more"})
    assert "nothing of this is told" in caplog.text


def test_unknown_models_have_no_status(served) -> None:
    assert call(served, "/v1/models/none")[0] == 404
    assert call(served, "/v1/models/net/versions/77")[0] == 404
    assert call(served, "/v1/models/none/metadata")[0] == 404


def test_deep_nesting_and_huge_numbers_are_refused_and_harm_nobody(served) -> None:
    deep = b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert call(served, "/v1/models/net:predict", deep)[0] == 400
    assert call(served, "/v1/models/net:predict", {"instances": [[10**400] + [0] * (FEATURES - 1)]})[0] in (200, 400)
    assert call(served, "/v1/models/net")[0] == 200


def test_base64_is_decoded(served) -> None:
    example = tf.train.Example()
    example.features.feature["features"].float_list.value.extend(ROWS[0].tolist())
    text = base64.b64encode(example.SerializeToString()).decode()
    body = {"signature_name": "regress", "instances": [{"inputs": {"b64": text}}]}
    code, answer = call(served, "/v1/models/net:predict", body)
    assert code == 200 and len(answer["predictions"]) == 1


def test_metrics_have_tensorflow_servings_names_and_no_others_names(served) -> None:
    assert call(served, "/v1/models/net:predict", {"instances": ROWS.tolist()})[0] == 200
    assert call(served, "/v1/models/invented/versions/x:predict", {})[0] == 400
    assert call(served, "/v1/models/invented:predict", b"{")[0] == 400
    with urllib.request.urlopen(served.rest + "/monitoring/prometheus/metrics") as answer:
        page = answer.read().decode()
    assert "# TYPE :tensorflow:serving:request_count counter" in page
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    assert float(values[':tensorflow:serving:request_count{model_name="net",status="OK"}']) >= 1.0
    assert float(values[':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"}']) >= 2.0
    names = 'API="Predict",entrypoint="REST",model_name="net"'
    answered = float(values[f":tensorflow:serving:request_latency_count{{{names}}}"])
    assert (
        100.0 < float(values[f":tensorflow:serving:request_latency_sum{{{names}}}"]) / answered < 60e6
    )  # microseconds
    assert "invented" not in page
