"""The REST half of the client: JSON over HTTP, with the types and bytes that gRPC would give."""

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from deepstack.aside import aside
from deepstack.serving.server_error import ERRORS, ServerError, UnavailableError, refused

if TYPE_CHECKING:
    from deepstack.serving.client import Where

Shapes = dict[str, dict[str, tuple[int, ...]]]
_OTHER = "the address of a server of models"
_KINDS = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_INT64": np.int64, "DT_BOOL": np.bool_}


class Rest:
    """One server's REST API."""

    def __init__(self, where: "Where") -> None:
        self.base = f"{'http' if where.certificate is None else 'https'}://{where.address}/v1/models"
        self.headers = {"authorization": f"Bearer {where.token}"} if where.token else {}
        known = where.certificate.decode() if where.certificate else None
        self.context = None if where.certificate is None else ssl.create_default_context(cadata=known)
        self._kinds: dict[tuple[str, str], dict[str, str]] = {}

    def predict(
        self, model: str, inputs: Mapping[str, np.ndarray], version: int | None, label: str, signature: str, left: float
    ) -> dict[str, np.ndarray]:
        columns = {name: _plain(np.asarray(array)) for name, array in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
        until, place = time.monotonic() + left, _place(model, version, label)
        with self._understood():
            if (place, signature) not in self._kinds:
                self._kinds[place, signature] = self._outputs(place, signature, left)
            outputs = self._asked(f"{place}:predict", body, max(until - time.monotonic(), 0.001))["outputs"]
            if isinstance(outputs, dict) and set(outputs) != set(self._kinds[place, signature]):  # of another version
                left = max(until - time.monotonic(), 0.001)
                self._kinds[place, signature] = self._outputs(place, signature, left)
            kinds = self._kinds[place, signature]
            if not isinstance(outputs, dict):
                (name,) = kinds
                outputs = {name: outputs}
            return {name: _typed(values, kinds[name]) for name, values in outputs.items()}

    def _outputs(self, place: str, signature: str, left: float) -> dict[str, str]:
        """Output → its dtype; JSON does not tell."""
        tree = self._asked(f"{place}/metadata", None, left)
        found = tree["metadata"]["signature_def"]["signature_def"].get(signature, {}).get("outputs", {})
        return {name: one["dtype"] for name, one in found.items()}

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
        except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            words = f"one that is not TensorFlow Serving's ({error!r})"[:200]
            raise refused(ServerError, self.base, words, _OTHER) from error

    def _asked(self, path: str, body: bytes | None, left: float) -> Any:
        request = urllib.request.Request(f"{self.base}/{path}", body, self.headers)
        try:
            # A socket's timeout is that of each wait by itself; here it is that of all together.
            code, answer = aside(partial(self._opened, request, left)).result(left)
        except (OSError, http.client.IncompleteRead) as error:
            reason = getattr(error, "reason", None)
            if isinstance(reason, ssl.SSLCertVerificationError):
                words = f"a certificate that is not trusted ({reason.verify_message})"
                raise refused(ServerError, self.base, words, "the certificate of its authority") from error
            raise refused(UnavailableError, self.base, str(error) or "none in time") from error
        except http.client.HTTPException as error:
            raise refused(ServerError, self.base, f"no HTTP ({error!r})"[:200], _OTHER) from error
        if code >= 300:
            raise refused(ERRORS.get(code, ServerError), self.base, f"{code}: {_words(answer)}")
        return json.loads(answer)

    def _opened(self, request: urllib.request.Request, left: float) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=left, context=self.context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def _plain(array: np.ndarray) -> Any:
    """As JSON holds it, bytes as base64."""
    return _encoded(array.tolist()) if array.dtype.kind in "OS" else array.tolist()


def _encoded(values: Any) -> Any:
    if isinstance(values, list):
        return [_encoded(item) for item in values]
    return {"b64": base64.b64encode(values).decode()} if isinstance(values, bytes) else values


def _typed(values: Any, dtype: str) -> np.ndarray:
    """As gRPC gives it: strings are bytes."""
    if dtype != "DT_STRING":
        wanted = "b" if dtype == "DT_BOOL" else "iu" if "INT" in dtype else "fiu"
        if (plain := np.array(values)).size and plain.dtype.kind not in wanted:
            raise ValueError(f"{dtype} expected")
        return np.array(values, _KINDS.get(dtype))
    if isinstance(values, list):
        return np.stack([_typed(item, dtype) for item in values]) if values else np.empty(0, object)
    item = values.encode() if isinstance(values, str) else base64.b64decode(values["b64"], validate=True)
    return np.array(item, object)


def _place(model: str, version: int | None, label: str) -> str:
    name = quote(model, safe="")
    if version is not None:
        return f"{name}/versions/{version}"
    return f"{name}/labels/{quote(label, safe='')}" if label else name


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
