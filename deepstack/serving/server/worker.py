"""The process of one model version: it loads the SavedModel, answers message by message, and ends with its server.

`python -m deepstack.serving.server.worker SOCKET VERSION_FOLDER [awaited]`. It needs TensorFlow and the SavedModel, no
Keras. Awaited, by requests that a process has died over, it answers as soon as it can: one request warms it up.
"""

import base64
import itertools
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    # They reach the whole process group; the server alone says when this process ends, by hanging up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The products of one row are small, and oneDNN's set-up around each costs more than the product.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from deepstack.serving.server.frames import LENGTHS, pack, unpack

WARM_UP_CALLS = 2


def main(address: str, folder: Path, awaited: bool = False) -> None:
    """Connect, load, warm up, answer until the server hangs up."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(address)
    try:
        model, definitions = load(folder, 1 if awaited else None)
    except (OSError, ValueError, tf.errors.OpError) as error:
        link.sendall(pack({"id": 0, "error": f"{type(error).__name__}: {str(error)[:500]}", "code": "load"}, {}))
        return
    link.sendall(pack({"id": 0, "signatures": definitions}, {}))
    while (message := _receive(link)) is not None:
        head, arrays = message
        link.sendall(_answered(model, head, arrays))


def load(folder: Path, most_requests: int | None = None) -> tuple[Any, dict[str, str]]:
    """The SavedModel, warmed by so many of its recorded requests, and its signatures as base64 of their protobufs."""
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((folder / "saved_model.pb").read_bytes())
    (graph,) = (graph for graph in stored.meta_graphs if "serve" in graph.meta_info_def.tags)
    definitions = {
        name: base64.b64encode(definition.SerializeToString()).decode()
        for name, definition in graph.signature_def.items()
        if not name.startswith("__")
    }
    model = tf.saved_model.load(str(folder))
    _warm_up(model, folder, most_requests)
    return model, definitions


def _warm_up(model: Any, folder: Path, most_requests: int | None) -> None:
    """Replay the recorded requests, as TensorFlow Serving does before a version is available."""
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
            model.signatures[name](**inputs)


def _recorded(log: Any) -> tuple[str, dict[str, tf.Tensor]] | None:
    """The signature and the inputs of a recorded request; None of a kind that asks several signatures at once."""
    kind = log.WhichOneof("log_type")
    if kind not in ("predict_log", "classify_log", "regress_log"):
        return None
    request = getattr(log, kind).request
    name = request.model_spec.signature_name or "serving_default"
    if kind == "predict_log":
        return name, {key: tf.constant(tf.make_ndarray(tensor)) for key, tensor in request.inputs.items()}
    examples = [example.SerializeToString() for example in request.input.example_list.examples]
    return name, {"inputs": tf.constant(examples, tf.string)}


def _answered(model: Any, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    try:
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        outputs = model.signatures[head["signature"]](**tensors)
        return pack({"id": head["id"]}, {name: np.asarray(value.numpy()) for name, value in outputs.items()})
    except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
        return pack({"id": head["id"], "error": str(error)[:500], "code": "invalid"}, {})
    except tf.errors.OpError as error:
        return pack({"id": head["id"], "error": str(error)[:500], "code": "internal"}, {})


def _receive(link: socket.socket) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    lengths = _exactly(link, LENGTHS.size)
    if lengths is None:
        return None
    head, body = LENGTHS.unpack(lengths)
    text = _exactly(link, head)
    data = _exactly(link, body)
    return None if text is None or data is None else unpack(text, data)


def _exactly(link: socket.socket, count: int) -> bytes | None:
    parts, left = [], count
    while left:
        part = link.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:] == ["awaited"])
