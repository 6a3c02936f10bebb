"""TensorFlow Serving's REST API: status, metadata, predict, classify, regress, and metrics.

Source: TensorFlow Serving's RESTful API reference.
"""

import hmac
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from google.protobuf.json_format import MessageToDict
from starlette.requests import ClientDisconnect

from deepstack.serving.server.body import read_body
from deepstack.serving.server.grpc_api import PredictionService, metadata_of
from deepstack.serving.server.metrics import Metrics
from deepstack.serving.server.models import Models
from deepstack.serving.server.refusal import Refusal, invalid
from deepstack.serving.server.rest_json import (
    as_json,
    column_answer,
    examples_in,
    inputs_in,
    parsed,
    row_answer,
)
from deepstack.serving.server.signature import DEFAULT, from_json
from deepstack.serving.server.version import Version

Answer = Callable[["Asked"], Awaitable[Any]]

PLACE = re.compile(r"/|versions/(?P<number>\d+)|labels/(?P<label>[^/:]+)", re.ASCII)


class Asked:
    """One request to a model: which version, and its body."""

    def __init__(self, models: Models, model: str, number: int | None, label: str | None, body: bytes) -> None:
        self.models, self.model, self.number, self.label, self.body = models, model, number, label, body

    def version(self) -> Version:
        """The version it means."""
        return self.models.find(self.model, self.number, self.label)


def make_rest(
    models: Models, metrics: Metrics, *, most_bytes: int, token: str, more: APIRouter | None = None
) -> FastAPI:
    """The application; `more` are routes of one's own."""
    app = FastAPI(title="deepstack serve", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    service = PredictionService(models, metrics, most_bytes)

    async def handled(request: Request, method: str, answer: Answer, model: str, place: str) -> Response:
        started, status = time.perf_counter(), "INTERNAL"
        try:
            number, label = _where(request, model, place)
            asked = Asked(models, model, number, label, await read_body(request, most_bytes))
            found = Response(as_json(await answer(asked)), media_type="application/json")
            status = "OK"
            return found
        except ClientDisconnect:
            status = "CANCELLED"
            return Response(status_code=499)
        except Refusal as refusal:
            status = refusal.code.name
            return _refused(refusal)
        finally:
            metrics.count(model, method, "REST", status, time.perf_counter() - started)

    methods: dict[str, Answer] = {
        "predict": _predict,
        "classify": partial(_classify, service),
        "regress": partial(_regress, service),
    }

    @app.post("/v1/models/{model}:{method}")
    @app.post("/v1/models/{model}/{kind}/{place}:{method}")
    async def post(request: Request, model: str, method: str, kind: str = "", place: str = "") -> Response:
        if method not in methods:
            return _refused(_malformed(request))
        return await handled(request, method.capitalize(), methods[method], model, f"{kind}/{place}")

    @app.get("/v1/models/{model}")
    @app.get("/v1/models/{model}/{kind}/{place}")
    async def status(request: Request, model: str, kind: str = "", place: str = "") -> Response:
        return await handled(request, "GetModelStatus", _status, model, f"{kind}/{place}")

    @app.get("/v1/models/{model}/metadata")
    @app.get("/v1/models/{model}/{kind}/{place}/metadata")
    async def metadata(request: Request, model: str, kind: str = "", place: str = "") -> Response:
        return await handled(request, "GetModelMetadata", _metadata, model, f"{kind}/{place}")

    @app.get("/monitoring/prometheus/metrics")
    async def monitoring() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for code in (404, 405):
        app.add_exception_handler(code, _unknown)
    app.add_exception_handler(UnicodeEncodeError, _no_text)
    app.add_exception_handler(Exception, _broken)  # which the log tells with its traceback
    if more is not None:
        app.include_router(more)
    if token:
        _ask_token(app, token)
    return app


async def _unknown(request: Request, error: Exception) -> Response:
    code = 400 if request.url.path.startswith("/v1/") else 404
    return _error(str(_malformed(request)), code)


async def _no_text(request: Request, error: Exception) -> Response:
    return _error("text that is valid Unicode expected, half of a surrogate pair received", 400)


async def _broken(request: Request, error: Exception) -> Response:
    return _error(f"{type(error).__name__}: the server's log says more", 500)


def _ask_token(app: FastAPI, token: str) -> None:
    expected = f"Bearer {token}".encode()

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
            return await go_on(request)
        return _error("a bearer token is needed", 401)


async def _predict(asked: Asked) -> Any:
    tree = parsed(asked.body)
    version = asked.version()
    name = tree.get("signature_name", DEFAULT)
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    name = name or DEFAULT
    if name not in version.signatures:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    signature = version.signatures[name]
    columns, by_row = inputs_in(tree, signature)
    inputs, rows = from_json(signature, columns)
    outputs = await asked.models.ask(version, name, inputs, rows)
    return row_answer(outputs) if by_row else column_answer(outputs)


async def _classify(service: PredictionService, asked: Asked) -> Any:
    name, examples = examples_in(asked.body)
    result = await service.classified(asked.version(), name, examples)
    return _results([[[c.label, c.score] for c in row.classes] for row in result.classifications])


async def _regress(service: PredictionService, asked: Asked) -> Any:
    name, examples = examples_in(asked.body)
    result = await service.regressed(asked.version(), name, examples)
    return _results([one.value for one in result.regressions])


def _results(found: list[Any]) -> dict[str, Any]:
    """TensorFlow Serving's code and the example of its reference say `results`, the format above that `result`."""
    return {"results": found, "result": found}


async def _status(asked: Asked) -> Any:
    found = asked.models.states(asked.model, asked.number, asked.label)
    return {
        "model_version_status": [
            {
                "version": str(version.number),
                "state": version.state,
                "status": {"error_code": "UNKNOWN" if version.error else "OK", "error_message": version.error},
            }
            for version in found
        ]
    }


async def _metadata(asked: Asked) -> Any:
    version = asked.version()
    signatures = MessageToDict(
        metadata_of(version), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {
        "model_spec": {"name": version.model, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": signatures},
    }


def _where(request: Request, model: str, place: str) -> tuple[int | None, str | None]:
    """The version's number, or its label."""
    found = PLACE.fullmatch(place)
    if found is None or ":" in model:
        raise _malformed(request)
    number = found["number"]
    if number and (len(number) > 19 or int(number) >= 2**63):
        raise invalid(f"Failed to convert version: {number[:30]} to numeric.")
    return int(number) if number else None, found["label"]


def _malformed(request: Request) -> Refusal:
    return invalid(f"Malformed request: {request.method} {request.url.path}")


def _refused(refusal: Refusal) -> Response:
    return _error(str(refusal), refusal.http)


def _error(message: str, code: int) -> Response:
    return Response(as_json({"error": message}), code, media_type="application/json")
