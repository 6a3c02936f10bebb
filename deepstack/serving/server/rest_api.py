"""TensorFlow Serving's REST API: status, metadata, predict, classify, regress, and metrics.

Source: TensorFlow Serving's RESTful API reference.
"""

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from google.protobuf.json_format import MessageToDict
from starlette.exceptions import HTTPException
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
from deepstack.serving.server.signature import DEFAULT, from_json, signature_of
from deepstack.serving.server.version import Version

Answer = Callable[["Asked"], Awaitable[Any]]


class Asked:
    """One request to a model: which version, and its body."""

    def __init__(self, models: Models, model: str, place: str | None, body: bytes) -> None:
        self.model, self.body = model, body
        self.number, self.label = _where(place)
        self.models = models

    def version(self) -> Version:
        """The version it means."""
        return self.models.find(self.model, self.number, self.label)


def make_rest(
    models: Models, metrics: Metrics, *, most_bytes: int, token: str, more: APIRouter | None = None
) -> FastAPI:
    """The application; `more` are routes of one's own."""
    app = FastAPI(title="deepstack serve", docs_url=None, redoc_url=None, openapi_url=None)
    service = PredictionService(models, metrics)

    async def handled(request: Request, method: str, answer: Answer, model: str, place: str | None) -> Response:
        started, status = time.perf_counter(), "INTERNAL"
        try:
            asked = Asked(models, model, place, await read_body(request, most_bytes))
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
            metrics.count(model if status != "NOT_FOUND" else "", method, status, time.perf_counter() - started)

    async def predict(asked: Asked) -> Any:
        return await _predict(asked, models)

    async def classify(asked: Asked) -> Any:
        name, examples = examples_in(asked.body)
        result = await service.classified(asked.version(), name, examples)
        return {"result": [[[c.label, c.score] for c in row.classes] for row in result.classifications]}

    async def regress(asked: Asked) -> Any:
        name, examples = examples_in(asked.body)
        result = await service.regressed(asked.version(), name, examples)
        return {"result": [one.value for one in result.regressions]}

    methods: dict[str, Answer] = {"predict": predict, "classify": classify, "regress": regress}

    @app.post("/v1/models/{model}:{method}")
    @app.post("/v1/models/{model}/{kind}/{place}:{method}")
    async def post(request: Request, model: str, method: str, kind: str = "", place: str = "") -> Response:
        if method not in methods:
            return _refused(invalid(f"Malformed request: POST {request.url.path}"))
        return await handled(request, method.capitalize(), methods[method], model, f"{kind}/{place}" if kind else None)

    @app.get("/v1/models/{model}")
    @app.get("/v1/models/{model}/{kind}/{place}")
    async def status(request: Request, model: str, kind: str = "", place: str = "") -> Response:
        return await handled(request, "GetModelStatus", _status, model, f"{kind}/{place}" if kind else None)

    @app.get("/v1/models/{model}/metadata")
    @app.get("/v1/models/{model}/{kind}/{place}/metadata")
    async def metadata(request: Request, model: str, kind: str = "", place: str = "") -> Response:
        return await handled(request, "GetModelMetadata", _metadata, model, f"{kind}/{place}" if kind else None)

    @app.get("/monitoring/prometheus/metrics")
    async def monitoring() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_exception_handler(HTTPException, _unknown)
    if more is not None:
        app.include_router(more)
    if token:
        _ask_token(app, token)
    return app


async def _unknown(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Malformed request: {request.method} {request.url.path}"
    return JSONResponse({"error": message}, 404 if code == 405 else code)


def _ask_token(app: FastAPI, token: str) -> None:
    expected = f"Bearer {token}".encode()

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
            return await go_on(request)
        return JSONResponse({"error": "a bearer token is needed"}, 401)


async def _predict(asked: Asked, models: Models) -> Any:
    tree = parsed(asked.body)
    version = asked.version()
    name = tree.get("signature_name") or DEFAULT
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    signature = signature_of(version.signatures, name)
    columns, by_row = inputs_in(tree, signature)
    inputs, rows = from_json(signature, columns)
    outputs = await models.ask(version, name, inputs, rows)
    return row_answer(outputs) if by_row else column_answer(outputs)


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


def _where(place: str | None) -> tuple[int | None, str | None]:
    if place is None:
        return None, None
    kind, _, value = place.partition("/")
    if kind == "labels":
        return None, value
    if kind != "versions" or not value.isdecimal() or int(value) >= 2**63:
        raise invalid(f"Malformed request: {kind}/{value}")
    return int(value), None


def _refused(refusal: Refusal) -> Response:
    return JSONResponse({"error": str(refusal)}, refusal.http)
