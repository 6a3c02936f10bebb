"""Asking a server of models, TensorFlow Serving or `deepstack serve` alike, over gRPC or REST."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from deepstack.artifact.feature_list import signature_among, signature_for
from deepstack.serving.rest_client import Rest, Shapes
from deepstack.serving.server_error import ERRORS, refused
from deepstack.serving.server_error import NotFoundError as NotFoundError
from deepstack.serving.server_error import ServerError as ServerError
from deepstack.serving.server_error import UnavailableError as UnavailableError

T = TypeVar("T")
FIRST_WAIT_S = 0.05
"""Before the first retry; each later one waits twice as long, times a random share."""


@dataclass(frozen=True)
class Where:
    """A server.

    Attributes:
        address: host:port.
        protocol: `grpc` or `rest`.
        token: bearer token; empty sends none.
        certificate: PEM bytes of the authority to trust; None speaks without TLS, empty trusts the system's.
    """

    address: str
    protocol: Literal["grpc", "rest"] = "grpc"
    token: str = field(default="", repr=False)
    certificate: bytes | None = None


class Client:
    """Asks one server; every call has a deadline, and is tried again while the server is unavailable.

    Args:
        where: the server.
        deadline_s: of a call, its retries counted in.
        retries: after an UNAVAILABLE, and after nothing else: another failure would come again.
    """

    def __init__(self, where: Where, *, deadline_s: float = 10.0, retries: int = 3) -> None:
        self.where, self.deadline_s, self.retries = where, deadline_s, retries
        self._speak: Any = _Grpc(where) if where.protocol == "grpc" else Rest(where)

    def predict(
        self,
        model: str,
        inputs: Mapping[str, np.ndarray],
        *,
        version: int | None = None,
        label: str = "",
        signature: str = "serving_default",
    ) -> dict[str, np.ndarray]:
        """Outputs by name.

        Args:
            model: served name.
            inputs: name → array, as the signature has them.
            version, label: which version; the newest by default.
            signature: which.

        Raises:
            UnavailableError: nobody answers.
            NotFoundError: no such model or version.
            ServerError: the server refused, or the deadline has passed; its own words are in the message.
        """
        return self._tried(lambda left: self._speak.predict(model, inputs, version, label, signature, left))

    def signatures(self, model: str, *, version: int | None = None, label: str = "") -> Shapes:
        """Signature → input → its shape, -1 where it is free.

        Raises:
            ServerError: as `predict`.
        """
        return self._tried(lambda left: self._speak.described(model, version, label, left))[1]

    def require_features(
        self, model: str, features: Sequence[str], *, version: int | None = None, label: str = ""
    ) -> int:
        """Refuse to ask a model that was trained on another list of features, or on another order of them.

        Returns:
            The number of the version that the features are right for; a label may move to another.

        Raises:
            ServerError: it was, or it does not say what it was trained on.
        """
        number, signatures = self._tried(lambda left: self._speak.described(model, version, label, left))
        found = signature_among(signatures)
        wanted = signature_for(features)
        if found != wanted:
            raise ServerError(
                f"model {model}",
                expected=f"{wanted}, the digest of these {len(features)} features in this order",
                received=found or "a model that does not tell its feature list",
                remedy="the artifact that is served, or serving the one you have",
            )
        return number

    def close(self) -> None:
        """Leave the server."""
        self._speak.close()

    def _tried(self, ask: Callable[[float], T]) -> T:
        deadline, wait = time.monotonic() + self.deadline_s, FIRST_WAIT_S
        for attempt in range(self.retries + 1):
            try:
                return ask(max(deadline - time.monotonic(), 0.001))
            except UnavailableError:
                pause = wait * random.uniform(0.5, 1.5)
                if attempt == self.retries or time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                wait *= 2.0
        raise AssertionError("the last attempt returns or raises")


class _Grpc:
    def __init__(self, where: Where) -> None:
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self.grpc = grpc
        if where.certificate is None:
            self.channel = grpc.insecure_channel(where.address)
        else:
            credentials = grpc.ssl_channel_credentials(where.certificate or None)
            self.channel = grpc.secure_channel(where.address, credentials)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.metadata = (("authorization", f"Bearer {where.token}"),) if where.token else ()
        self.address = where.address

    def predict(
        self, model: str, inputs: Mapping[str, np.ndarray], version: int | None, label: str, signature: str, left: float
    ) -> dict[str, np.ndarray]:
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        _name(request.model_spec, model, version, label)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        answer = self._asked(self.stub.Predict, request, left)
        return {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}

    def described(self, model: str, version: int | None, label: str, left: float) -> tuple[int, Shapes]:
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _name(request.model_spec, model, version, label)
        answer = self._asked(self.stub.GetModelMetadata, request, left)
        found = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(found)
        return int(answer.model_spec.version.value), {
            name: {key: tuple(dim.size for dim in info.tensor_shape.dim) for key, info in one.inputs.items()}
            for name, one in found.signature_def.items()
        }

    def close(self) -> None:
        self.channel.close()

    def _asked(self, method: Any, request: Any, left: float) -> Any:
        try:
            return method(request, timeout=left, metadata=self.metadata)
        except self.grpc.RpcError as error:
            kind = ERRORS.get(error.code().name, ServerError)
            raise refused(kind, self.address, f"{error.code().name}: {error.details()}") from error


def _name(spec: Any, model: str, version: int | None, label: str) -> None:
    spec.name = model
    if version is not None:
        spec.version.value = version
    elif label:
        spec.version_label = label
