"""Minutes of trouble for a server: mixed load while versions come and go, processes die and nonsense is asked."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _server import NAME, Served, ask_rest, rows, served

from deepstack.serving.client import Client, Where

RELOADS, FAULTS = 20, 3
NONSENSE: tuple[dict, ...] = (
    {},
    {"instances": [[1]]},
    {"instances": "x"},
    {"inputs": {"no": 1}},
    {"instances": [[{"b64": "!"}]]},
)


def trouble(exports: Path, minutes: float) -> dict:
    """Mixed load while versions come and go, processes die and nonsense is asked."""
    import tensorflow as tf

    body = rows(4)
    right = []
    for k in (0, 1):
        loaded = tf.saved_model.load(str(exports / f"folded{k}"))
        right.append(loaded.signatures["serving_default"](features=tf.constant(body))["probability"].numpy())
    models = exports / "trouble"
    shutil.copytree(exports / "folded0", models / NAME / "1")
    counts = {"answered": 0, "wrong": 0, "failed": 0, "malformed": 0, "malformed_500": 0}
    lock, stop, errors = threading.Lock(), threading.Event(), []

    def count(**more: int) -> None:
        with lock:
            for name, value in more.items():
                counts[name] += value

    with served(models, "--poll-s", "0.5") as one:

        def well(ask: Callable[[np.ndarray], np.ndarray]) -> None:
            while not stop.is_set():
                k = int(time.time() * 1e6) % 4
                try:
                    found = ask(body[: k + 1])
                    good = any(np.allclose(found, p[: k + 1], atol=1e-5) for p in right)
                except Exception as error:  # noqa: BLE001 - whatever it is, who asked well has no answer
                    errors.append(repr(error)[:200])
                    count(failed=1)
                else:
                    count(answered=1, wrong=int(not good))

        def badly() -> None:
            while not stop.is_set():
                for is_refused in nonsense:
                    try:
                        good = is_refused()
                    except Exception as error:  # noqa: BLE001 - nor is this a refusal
                        errors.append(repr(error)[:200])
                        good = False
                    count(malformed=1, malformed_500=int(not good))
                time.sleep(0.2)

        nonsense = [*_over_rest(one), *_over_grpc(one, body)]
        asks = (_by_grpc(one), _by_grpc(one), lambda rows: _by_rest(one, rows))
        threads = [threading.Thread(target=well, args=(ask,)) for ask in asks]
        threads.append(threading.Thread(target=badly))
        for thread in threads:
            thread.start()
        try:
            memory = _reloads(one, exports, models, minutes)
            alive = [thread.is_alive() for thread in threads]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    print(counts, {k: round(v) for k, v in memory.items()}, errors[:3], flush=True)
    assert all(alive) and counts["answered"] and counts["malformed"], "a thread of the load ended before its time"
    return {**counts, "rss_mb": memory, "minutes": minutes, "errors": errors[:5]}


def _by_grpc(one: Served) -> Callable[[np.ndarray], np.ndarray]:
    client = Client(Where(one.grpc), deadline_s=60.0, retries=0)
    return lambda rows: client.predict(NAME, {"features": rows})["probability"]


def _by_rest(one: Served, rows: np.ndarray) -> np.ndarray:
    status, answer = ask_rest(one, {"instances": rows.tolist()})
    assert status == 200, answer
    return np.array([row["probability"] for row in answer["predictions"]])


def _over_rest(one: Served) -> list[Callable[[], bool]]:
    """Malformed requests; each says whether it was refused as such."""

    def is_refused(body: dict) -> bool:
        return 400 <= ask_rest(one, body)[0] < 500

    return [partial(is_refused, body) for body in NONSENSE]


def _over_grpc(one: Served, body: np.ndarray) -> list[Callable[[], bool]]:
    """The same: another dtype, another shape, a lie about the shape, no such signature or model, and no message."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    predict = grpc.insecure_channel(one.grpc).unary_unary("/tensorflow.serving.PredictionService/Predict")

    def message(rows: np.ndarray, model: str = NAME, signature: str = "", content: bytes = b"") -> bytes:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = model, signature
        request.inputs["features"].CopyFrom(tf.make_tensor_proto(rows))
        if content:
            request.inputs["features"].tensor_content = content
        return request.SerializeToString()

    def is_refused(sent: bytes, *codes: Any) -> bool:
        try:
            predict(sent, timeout=60)
        except grpc.RpcError as error:
            return error.code() in codes
        return False

    code = grpc.StatusCode
    return [
        partial(is_refused, message(body.astype(np.float64)), code.INVALID_ARGUMENT),
        partial(is_refused, message(body.astype(str)), code.INVALID_ARGUMENT),
        partial(is_refused, message(body[:, :2]), code.INVALID_ARGUMENT),
        partial(is_refused, message(body, content=b"1234567"), code.INVALID_ARGUMENT),
        partial(is_refused, message(body, signature="none"), code.FAILED_PRECONDITION),
        partial(is_refused, message(body, model="none"), code.NOT_FOUND),
        partial(is_refused, b"\xff" * 64, code.INTERNAL, code.UNKNOWN),  # gRPC's own words: no server sees it
    ]


def _reloads(one: Served, exports: Path, models: Path, minutes: float) -> dict[int, float]:
    """Publish version after version and kill a process now and then; resident memory after each."""
    memory, started = {}, time.monotonic()
    for number in range(1, RELOADS + 1):
        part = models / NAME / ".part"
        shutil.copytree(exports / f"folded{number % 2}", part)
        part.rename(models / NAME / str(number + 1))
        if number % (RELOADS // FAULTS) == 0 and number // (RELOADS // FAULTS) <= FAULTS:
            time.sleep(60.0 * minutes / RELOADS / 3.0)
            os.kill(one.workers()[0], signal.SIGKILL)
        time.sleep(max(0.0, started + 60.0 * minutes * number / RELOADS - time.monotonic()))
        settled = time.monotonic() + 60.0
        while len(one.workers()) > 1 and time.monotonic() < settled:  # the old version's process is leaving
            time.sleep(0.2)
        memory[number] = one.rss_mb()
    return memory
