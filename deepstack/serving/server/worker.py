"""The process of one model version: it loads the SavedModel, answers message by message, and ends with its server.

`python -m deepstack.serving.server.worker SOCKET VERSION_FOLDER SESSION_CONFIG [awaited]`, the config in base64. It
needs TensorFlow and the SavedModel, no Keras. Awaited, by requests that a process has died over, it answers as soon as
it can: one request warms it up.
"""

import base64
import io
import itertools
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    # They reach the whole process group; the server alone says when this process ends, by hanging up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Half of `import tensorflow` is Keras, which no graph needs; the legacy one is imported only where it is installed.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The products of one row are small, and oneDNN's set-up around each costs more than the product.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2

from deepstack.serving.server.frames import LENGTHS, Arrays, pack, unpack

WARM_UP_CALLS = 2
READ_BYTES = 1 << 17


class Loaded:
    """A SavedModel in a session, as TensorFlow Serving holds it.

    Args:
        folder: of the version.
        settings: of the session; an executor of one thread, which knows no GPU, is not taken where there is one.

    Raises:
        OSError, ValueError, RuntimeError, tf.errors.OpError: no SavedModel to serve, or one that this TensorFlow cannot
            load.
    """

    def __init__(self, folder: Path, settings: config_pb2.ConfigProto) -> None:
        if tf.config.list_physical_devices("GPU"):
            settings.experimental.executor_type = ""
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it calls the loader of sessions deprecated
        self.session = tf.compat.v1.Session(graph=tf.Graph(), config=settings)
        found = tf.compat.v1.saved_model.load(self.session, [tf.saved_model.SERVING], str(folder))
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = {
            name: one for name, one in found.signature_def.items() if not name.startswith("__")
        }

    def ask(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Outputs by name; of shapes that the signature does not have the server lets none pass.

        Raises:
            KeyError, ValueError, TypeError, tf.errors.OpError: the graph does not take the inputs.
        """
        asked, (call, dtypes) = self.signatures[signature], self._call(signature)
        arrays = [inputs[name] for name in asked.inputs]
        if [array.dtype for array in arrays] != dtypes:  # the callable would abort the process
            raise TypeError(f"expected {', '.join(map(str, dtypes))}, received {[str(each.dtype) for each in arrays]}")
        return dict(zip(asked.outputs, map(_array, call(*arrays)), strict=True))

    @cache  # noqa: B019 - a process has one model
    def _call(self, signature: str) -> tuple[Callable[..., list[Any]], list[np.dtype]]:
        """What `Session.run` works out anew each time, 0.15 ms of it, worked out once; and the dtypes it takes."""
        asked = self.signatures[signature]
        feed, fetch = ([info.name for info in each.values()] for each in (asked.inputs, asked.outputs))
        call = self.session._make_callable_from_options(config_pb2.CallableOptions(feed=feed, fetch=fetch))
        return call, [np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype) for info in asked.inputs.values()]


def main(address: str, folder: Path, settings: str, awaited: bool = False) -> None:
    """Connect, load, warm up, answer until the server hangs up."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(address)
    try:
        model = Loaded(folder, config_pb2.ConfigProto.FromString(base64.b64decode(settings)))
        warm_up(model, folder, 1 if awaited else None)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, DecodeError, tf.errors.OpError) as error:
        link.sendall(pack({"id": 0, "error": f"{type(error).__name__}: {str(error)[:500]}", "code": "load"}, {}))
        return
    described = {name: base64.b64encode(one.SerializeToString()).decode() for name, one in model.signatures.items()}
    link.sendall(pack({"id": 0, "signatures": described}, {}))
    reader = io.BufferedReader(link.makefile("rb", buffering=0), READ_BYTES)
    while (message := _receive(reader.read)) is not None:
        head, arrays = message
        link.sendall(_answered(model, head, arrays))


def warm_up(model: Loaded, folder: Path, most_requests: int | None = None) -> None:
    """Replay the recorded requests, so many at most, as TensorFlow Serving does before a version is available."""
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    if not path.exists():
        return
    from tensorflow_serving.apis import prediction_log_pb2

    for record in itertools.islice(tf.data.TFRecordDataset(str(path)), most_requests):
        recorded = _recorded(prediction_log_pb2.PredictionLog.FromString(record.numpy()))
        if recorded is None:
            continue
        name, inputs = recorded
        for _ in range(WARM_UP_CALLS):
            model.ask(name, inputs)


def _recorded(log: Any) -> tuple[str, Arrays] | None:
    """The signature and the inputs of a recorded request; None of a kind that asks several signatures at once."""
    kind = log.WhichOneof("log_type")
    if kind not in ("predict_log", "classify_log", "regress_log"):
        return None
    request = getattr(log, kind).request
    name = request.model_spec.signature_name or "serving_default"
    if kind == "predict_log":
        return name, {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
    examples = [example.SerializeToString() for example in request.input.example_list.examples]
    return name, {"inputs": np.array(examples, object)}


def _array(value: Any) -> np.ndarray:
    """A scalar string comes as bytes, from which NumPy would strip zeros."""
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)


def _answered(model: Loaded, head: dict[str, Any], arrays: Arrays) -> bytes:
    try:
        return pack({"id": head["id"]}, model.ask(head["signature"], arrays))
    except (tf.errors.InvalidArgumentError, KeyError, ValueError, TypeError) as error:
        return pack({"id": head["id"], "error": str(error)[:500], "code": "invalid"}, {})
    except tf.errors.OpError as error:
        return pack({"id": head["id"], "error": str(error)[:500], "code": "internal"}, {})


def _receive(read: Callable[[int], bytes]) -> tuple[dict[str, Any], Arrays] | None:
    lengths = read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    text, data = read(head), read(body)
    return None if len(data) < body else unpack(text, data)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:] == ["awaited"])
