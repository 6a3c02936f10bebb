"""PredictionService and ModelService over gRPC, on TensorFlow Serving's own stubs."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np
from grpc import StatusCode
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from deepstack.serving.server.metrics import Metrics
from deepstack.serving.server.models import Models
from deepstack.serving.server.refusal import Refusal, invalid
from deepstack.serving.server.signature import (
    CLASSIFY,
    DEFAULT,
    REGRESS,
    from_protos,
    signature_of,
    to_proto,
)
from deepstack.serving.server.version import Version

STATES = get_model_status_pb2.ModelVersionStatus.State


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress, MultiInference and GetModelMetadata."""

    def __init__(self, models: Models, metrics: Metrics, most_bytes: int) -> None:
        self.models, self.metrics, self.most_bytes = models, metrics, most_bytes

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The outputs of a signature; `output_filter` keeps some of them."""
        return await self._counted("Predict", request.model_spec.name, context, self._predict(request))

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Labels with their scores for tf.Examples."""
        return await self._counted("Classify", request.model_spec.name, context, self._classify(request))

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A number for each tf.Example."""
        return await self._counted("Regress", request.model_spec.name, context, self._regress(request))

    async def MultiInference(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Several classifications and regressions of the same examples by one model."""
        name = request.tasks[0].model_spec.name if request.tasks else ""
        return await self._counted("MultiInference", name, context, self._multi(request))

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The signatures of a version."""
        return await self._counted("GetModelMetadata", request.model_spec.name, context, self._metadata(request))

    async def _counted(self, method: str, model: str, context: Any, work: Awaitable[Any]) -> Any:
        return await counted(self.metrics, method, model, context, work)

    async def _predict(self, request: Any) -> Any:
        version = find(self.models, request.model_spec)
        name = request.model_spec.signature_name or DEFAULT
        signature = signature_of(version.signatures, name)
        inputs, rows = from_protos(signature, request.inputs, self.most_bytes)
        outputs = await self.models.ask(version, name, inputs, rows)
        wanted = list(request.output_filter) or list(outputs)
        missing = [key for key in wanted if key not in outputs]
        if missing:
            raise invalid(f"output tensor alias not found in signature: {missing[0]} Outputs expected to be in the set")
        response = predict_pb2.PredictResponse(model_spec=spec(version, name))
        for key in wanted:
            response.outputs[key].CopyFrom(to_proto(outputs[key]))
        return response

    async def _classify(self, request: Any) -> Any:
        version = find(self.models, request.model_spec)
        name = request.model_spec.signature_name or DEFAULT
        result = await self.classified(version, name, examples_of(request.input))
        return classification_pb2.ClassificationResponse(result=result, model_spec=spec(version, name))

    async def _regress(self, request: Any) -> Any:
        version = find(self.models, request.model_spec)
        name = request.model_spec.signature_name or DEFAULT
        result = await self.regressed(version, name, examples_of(request.input))
        return regression_pb2.RegressionResponse(result=result, model_spec=spec(version, name))

    async def _multi(self, request: Any) -> Any:
        if not request.tasks:
            raise invalid("Inference request must contain at least one task")
        if len({task.model_spec.name for task in request.tasks}) > 1:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        asked = [(task.model_spec.signature_name, task.method_name) for task in request.tasks]
        if len(set(asked)) < len(asked):
            raise invalid("Duplicate evaluation of signature: " + asked[0][0])
        version, examples = find(self.models, request.tasks[0].model_spec), examples_of(request.input)
        response = inference_pb2.MultiInferenceResponse()
        with version.held():
            for task in request.tasks:
                response.results.append(await self._inferred(task, version, examples))
        return response

    async def _inferred(self, task: Any, version: Version, examples: np.ndarray) -> Any:
        name = task.model_spec.signature_name or DEFAULT
        found = inference_pb2.InferenceResult(model_spec=spec(version, name))
        if task.method_name == CLASSIFY:
            found.classification_result.CopyFrom(await self.classified(version, name, examples))
        elif task.method_name == REGRESS:
            found.regression_result.CopyFrom(await self.regressed(version, name, examples))
        else:
            raise Refusal(StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        return found

    async def _metadata(self, request: Any) -> Any:
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        other = [name for name in request.metadata_field if name != "signature_def"]
        if other:
            raise invalid(f"Metadata field {other[0]} is not supported")
        version = find(self.models, request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=spec(version, ""))
        response.metadata["signature_def"].Pack(metadata_of(version))
        return response

    async def classified(self, version: Version, name: str, examples: np.ndarray) -> Any:
        """Classifications of serialized tf.Examples."""
        signature_of(version.signatures, name, CLASSIFY)
        outputs = await self.models.ask(version, name, {"inputs": examples}, len(examples))
        result = classification_pb2.ClassificationResult()
        for labels, scores in zip(outputs["classes"], outputs["scores"], strict=True):
            row = result.classifications.add()
            for label, score in zip(labels, scores, strict=True):
                row.classes.add(label=label.decode(), score=float(score))
        return result

    async def regressed(self, version: Version, name: str, examples: np.ndarray) -> Any:
        """Regressions of serialized tf.Examples."""
        signature_of(version.signatures, name, REGRESS)
        outputs = await self.models.ask(version, name, {"inputs": examples}, len(examples))
        result = regression_pb2.RegressionResult()
        for value in np.ravel(outputs["outputs"]):
            result.regressions.add(value=float(value))
        return result


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, models: Models, metrics: Metrics) -> None:
        self.models, self.metrics = models, metrics

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The state of every version."""
        return await counted(
            self.metrics, "GetModelStatus", request.model_spec.name, context, self._status(request.model_spec)
        )

    async def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Serve another config."""
        return await counted(self.metrics, "HandleReloadConfigRequest", "", context, self._reload(request))

    async def _status(self, asked: Any) -> Any:
        return status_of(self.models.states(asked.name, version_in(asked), asked.version_label or None))

    async def _reload(self, request: Any) -> Any:
        response = model_management_pb2.ReloadConfigResponse()
        if not request.config.HasField("model_config_list"):
            raise invalid("Only model_config_list is supported")
        try:
            await self.models.reload(request.config)
        except Refusal as refusal:
            response.status.error_code, response.status.error_message = refusal.code.value[0], str(refusal)
        return response


async def counted(metrics: Metrics, method: str, model: str, context: Any, work: Awaitable[Any]) -> Any:
    """The answer, or the refusal as gRPC says it; both counted."""
    started, status = time.perf_counter(), "INTERNAL"
    try:
        answer = await work
        status = "OK"
        return answer
    except asyncio.CancelledError:
        status = "CANCELLED"
        raise
    except Refusal as refusal:
        status = refusal.code.name
        await context.abort(refusal.code, str(refusal))
    finally:
        metrics.count(model, method, "GRPC", status, time.perf_counter() - started)


def find(models: Models, asked: Any) -> Version:
    """The version a ModelSpec means."""
    if not asked.name:
        raise invalid("Missing ModelSpec")
    return models.find(asked.name, version_in(asked), asked.version_label or None)


def version_in(asked: Any) -> int | None:
    """The version number of a ModelSpec, where it has one; clients of OpenVINO say 0 for the newest."""
    return int(asked.version.value) or None if asked.HasField("version") else None


def spec(version: Version, signature: str) -> Any:
    """Who answered."""
    found = model_pb2.ModelSpec(name=version.model, signature_name=signature)
    found.version.value = version.number
    return found


def status_of(versions: list[Version]) -> Any:
    """Versions as GetModelStatusResponse."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in versions:
        one = response.model_version_status.add(version=version.number, state=STATES.Value(version.state))
        if version.error:
            one.status.error_code, one.status.error_message = StatusCode.UNKNOWN.value[0], version.error
    return response


def metadata_of(version: Version) -> Any:
    """The signatures of a version as SignatureDefMap."""
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in version.signatures.items():
        found.signature_def[name].CopyFrom(signature)
    return found


def examples_of(given: Any) -> np.ndarray:
    """Serialized tf.Examples of an Input, the context merged into each, as object [rows].

    Raises:
        Refusal: INVALID_ARGUMENT where there are none.
    """
    kind = given.WhichOneof("kind")
    if kind == "example_list":
        found = [example.SerializeToString() for example in given.example_list.examples]
    elif kind == "example_list_with_context":
        listed, found = given.example_list_with_context, []
        for example in listed.examples:
            merged = type(example)()
            merged.CopyFrom(listed.context)
            for name, feature in example.features.feature.items():
                merged.features.feature[name].CopyFrom(feature)
            found.append(merged.SerializeToString())
    else:
        found = []
    if not found:
        raise invalid("Input is empty.")
    examples = np.empty(len(found), object)
    examples[:] = found
    return examples


class Guard(grpc.aio.ServerInterceptor):
    """Lets nobody in without the bearer token."""

    def __init__(self, token: str) -> None:
        self.expected = f"Bearer {token}"

        async def refuse(request: Any, context: Any) -> None:
            await context.abort(StatusCode.UNAUTHENTICATED, "a bearer token is needed")

        self.refused = grpc.unary_unary_rpc_method_handler(refuse)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Pass, or refuse."""
        given = dict(details.invocation_metadata).get("authorization", "")
        text = given if isinstance(given, str) else given.decode(errors="replace")
        return (
            await continuation(details) if hmac.compare_digest(text.encode(), self.expected.encode()) else self.refused
        )


def make_grpc(models: Models, metrics: Metrics, *, most_bytes: int, token: str) -> Any:
    """A gRPC server with both services, not yet listening."""
    options = [("grpc.max_receive_message_length", most_bytes), ("grpc.max_send_message_length", -1)]
    options += [("grpc.so_reuseport", 0)]
    server = grpc.aio.server(interceptors=[Guard(token)] if token else [], options=options)
    service = PredictionService(models, metrics, most_bytes)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models, metrics), server)
    return server
