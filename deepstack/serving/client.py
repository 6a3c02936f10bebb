"""Asking a server of models, TensorFlow Serving or `deepstack serve` alike, over gRPC or REST."""

import http.client
import json
import random
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np

from deepstack.artifact.feature_list import signature_among, signature_for
from deepstack.aside import aside
from deepstack.errors import DeepstackError

T = TypeVar("T")
Shapes = dict[str, dict[str, tuple[int, ...]]]
FIRST_WAIT_S = 0.05
"""Before the first retry; each later one waits twice as long, times a random share."""


class ServerError(DeepstackError):
    """The server refused, or could not be reached in time."""


class UnavailableError(ServerError):
    """Nobody answers at the moment: the one kind of failure that is tried again."""


class NotFoundError(ServerError):
    """The server has no such model, or not that version of it."""


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
        self._speak: Any = _Grpc(where) if where.protocol == "grpc" else _Rest(where)

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
            kind = _ERRORS.get(error.code().name, ServerError)
            raise _refused(kind, self.address, f"{error.code().name}: {error.details()}") from error


class _Rest:
    def __init__(self, where: Where) -> None:
        self.base = f"{'http' if where.certificate is None else 'https'}://{where.address}/v1/models"
        self.headers = {"authorization": f"Bearer {where.token}"} if where.token else {}
        known = where.certificate.decode() if where.certificate else None
        self.context = None if where.certificate is None else ssl.create_default_context(cadata=known)

    def predict(
        self, model: str, inputs: Mapping[str, np.ndarray], version: int | None, label: str, signature: str, left: float
    ) -> dict[str, np.ndarray]:
        columns = {name: np.asarray(array).tolist() for name, array in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
        until, place = time.monotonic() + left, _place(model, version, label)
        with self._understood():
            outputs = self._asked(f"{place}:predict", body, left)["outputs"]
            tree = self._asked(f"{place}/metadata", None, max(until - time.monotonic(), 0.001))
            kinds = tree["metadata"]["signature_def"]["signature_def"][signature]["outputs"]
            if not isinstance(outputs, dict):
                (name,) = kinds
                outputs = {name: outputs}
            return {name: np.array(values, _KINDS.get(kinds[name]["dtype"])) for name, values in outputs.items()}

    def described(self, model: str, version: int | None, label: str, left: float) -> tuple[int, Shapes]:
        with self._understood():
            tree = self._asked(f"{_place(model, version, label)}/metadata", None, left)
            return int(tree["model_spec"]["version"]), {
                name: {
                    key: tuple(int(dim["size"]) for dim in info["tensor_shape"]["dim"])
                    for key, info in one["inputs"].items()
                }
                for name, one in tree["metadata"]["signature_def"]["signature_def"].items()
            }

    def close(self) -> None:
        """Every call has its own connection."""

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            words = f"one that is not TensorFlow Serving's ({error!r})"[:200]
            raise _refused(ServerError, self.base, words, _OTHER) from error

    def _asked(self, path: str, body: bytes | None, left: float) -> Any:
        request = urllib.request.Request(f"{self.base}/{path}", body, self.headers)
        try:
            # A socket's timeout is that of each wait by itself; here it is that of all together.
            code, answer = aside(partial(self._opened, request, left)).result(left)
        except (OSError, http.client.IncompleteRead) as error:
            reason = getattr(error, "reason", None)
            if isinstance(reason, ssl.SSLCertVerificationError):
                words = f"a certificate that is not trusted ({reason.verify_message})"
                raise _refused(ServerError, self.base, words, "the certificate of its authority") from error
            raise _refused(UnavailableError, self.base, str(error) or "none in time") from error
        except http.client.HTTPException as error:
            raise _refused(ServerError, self.base, f"no HTTP ({error!r})"[:200], _OTHER) from error
        if code >= 300:
            raise _refused(_ERRORS.get(code, ServerError), self.base, f"{code}: {_words(answer)}")
        return json.loads(answer)

    def _opened(self, request: urllib.request.Request, left: float) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=left, context=self.context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


_OTHER = "the address of a server of models"
_ERRORS: dict[str | int, type[ServerError]] = {
    **dict.fromkeys(("UNAVAILABLE", 503), UnavailableError),
    **dict.fromkeys(("NOT_FOUND", 404), NotFoundError),
}
_KINDS = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_INT64": np.int64, "DT_BOOL": np.bool_}


def _name(spec: Any, model: str, version: int | None, label: str) -> None:
    spec.name = model
    if version is not None:
        spec.version.value = version
    elif label:
        spec.version_label = label


def _place(model: str, version: int | None, label: str) -> str:
    if version is not None:
        return f"{model}/versions/{version}"
    return f"{model}/labels/{label}" if label else model


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]


def _refused(kind: type[ServerError], where: str, words: str, remedy: str = "a request it takes") -> ServerError:
    remedy = "waiting until it serves" if kind is UnavailableError else remedy
    return kind(f"server {where}", expected="an answer", received=words, remedy=remedy)
