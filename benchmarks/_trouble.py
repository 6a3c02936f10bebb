"""Minutes of trouble for a server: mixed load while versions come and go, processes die and nonsense is asked."""

import itertools
import json
import os
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass
class Published:
    """Which versions may answer: the newest that is known to answer, and whatever was put beside it since."""

    able: int = 1
    newest: int = 1

    def right(self, answers: list[np.ndarray], since: int) -> list[np.ndarray]:
        """What versions from `since` on say; every second one has the other weights."""
        return [answers[(number + 1) % 2] for number in range(since, self.newest + 1)][-2:]


def trouble(exports: Path, minutes: float) -> dict:
    """Mixed load while versions come and go, processes die and nonsense is asked."""
    models = exports / "trouble"
    shutil.copytree(exports / "folded0", models / NAME / "1")
    counts = dict.fromkeys(("answered", "wrong", "failed", "malformed", "malformed_500"), 0)
    lock, stop, errors, published = threading.Lock(), threading.Event(), [], Published()

    def count(**more: int) -> None:
        with lock:
            for name, value in more.items():
                counts[name] += value

    began = time.monotonic()
    with served(models, "--poll-s", "0.5") as one:

        def well(ask: Callable[[np.ndarray], np.ndarray], body: np.ndarray, answers: list[np.ndarray]) -> None:
            for number in itertools.count():
                if stop.is_set():
                    return
                rows, since = slice(number % 3, number % 3 + number % 4 + 1), published.able
                try:
                    found = ask(body[rows])
                except Exception as error:  # noqa: BLE001 - whatever it is, who asked well has no answer
                    errors.append(repr(error)[:200])
                    count(failed=1)
                    continue
                right = [answer[rows] for answer in published.right(answers, since)]
                good = any(found.shape == p.shape and np.allclose(found, p, atol=1e-5) for p in right)
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

        asks = (_by_grpc(one), _by_grpc(one), partial(_by_rest, one), partial(_regressed, one))
        bodies = [rows(6 * len(asks))[6 * k : 6 * k + 6] for k in range(len(asks))]  # nobody's are another's
        nonsense = [*_over_rest(one), *_over_grpc(one, bodies[0])]
        said = [_said(exports, body) for body in bodies]
        threads = [threading.Thread(target=well, args=each) for each in zip(asks, bodies, said, strict=True)]
        threads.append(threading.Thread(target=badly))
        for thread in threads:
            thread.start()
        try:
            memory = _reloads(one, exports, models, minutes, published)
            alive = [thread.is_alive() for thread in threads]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    print(counts, {k: round(v) for k, v in memory.items()}, errors[:3], flush=True)
    assert all(alive) and counts["answered"] and counts["malformed"], "a thread of the load ended before its time"
    return {**counts, "rss_mb": memory, "minutes": (time.monotonic() - began) / 60.0, "errors": errors[:5]}


def _said(exports: Path, body: np.ndarray) -> list[np.ndarray]:
    """What each set of weights says of these rows."""
    import tensorflow as tf

    found = []
    for k in (0, 1):
        loaded = tf.saved_model.load(str(exports / f"folded{k}"))
        found.append(loaded.signatures["serving_default"](features=tf.constant(body))["probability"].numpy())
    assert np.abs(found[0] - found[1]).min() > 1e-3, "the two sets of weights cannot be told apart"
    return found


def _by_grpc(one: Served) -> Callable[[np.ndarray], np.ndarray]:
    client = Client(Where(one.grpc), deadline_s=60.0, retries=0)
    return lambda rows: client.predict(NAME, {"features": rows})["probability"]


def _by_rest(one: Served, rows: np.ndarray) -> np.ndarray:
    status, answer = ask_rest(one, {"instances": rows.tolist()})
    assert status == 200, answer
    return np.array([row["probability"] for row in answer["predictions"]])


def _regressed(one: Served, rows: np.ndarray) -> np.ndarray:
    examples = [{"features": [float(value) for value in row]} for row in rows]
    status, answer = ask_rest(one, {"signature_name": "regress", "examples": examples}, "regress")
    assert status == 200, answer
    return np.array(answer["results"])


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


def _reloads(one: Served, exports: Path, models: Path, minutes: float, published: Published) -> dict[int, float]:
    """Publish version after version, each waited for, and kill a process now and then; resident memory after each."""
    memory, started, killed = {}, time.monotonic(), 0
    for number in range(1, RELOADS + 1):
        part = models / NAME / ".part"
        shutil.copytree(exports / f"folded{number % 2}", part)
        published.newest = number + 1
        part.rename(models / NAME / str(number + 1))
        _wait(partial(_able, one, number + 1), f"version {number + 1} to answer")
        published.able = number + 1
        _wait(lambda: len(one.workers()) == 1, "the old version's process to leave")
        if number % (RELOADS // FAULTS) == 0 and number // (RELOADS // FAULTS) <= FAULTS:
            (victim,) = one.workers()
            os.kill(victim, signal.SIGKILL)
            killed += 1
            _wait(partial(_replaced, one, victim), "the dead process' successor")
            _wait(lambda: _restarts(one) == 1, "the restart to be counted")
        time.sleep(max(0.0, started + 60.0 * minutes * number / RELOADS - time.monotonic()))
        memory[number] = one.rss_mb()
    assert killed == FAULTS
    return memory


def _wait(what: Callable[[], Any], words: str) -> None:
    until = time.monotonic() + 300.0
    while not what():
        assert time.monotonic() < until, f"waited in vain for {words}"
        time.sleep(0.1)


def _able(one: Served, version: int) -> bool:
    return _state(one, version) == "AVAILABLE"


def _replaced(one: Served, victim: int) -> bool:
    return bool(one.workers()) and victim not in one.workers()


def _state(one: Served, version: int) -> str:
    try:
        with urllib.request.urlopen(f"http://{one.rest}/v1/models/{NAME}/versions/{version}", timeout=60) as answer:
            return str(json.load(answer)["model_version_status"][0]["state"])
    except urllib.error.HTTPError:
        return ""


def _restarts(one: Served) -> int:
    """Of the version that is loaded."""
    with urllib.request.urlopen(f"http://{one.rest}/monitoring/prometheus/metrics", timeout=60) as answer:
        (line,) = (
            text for text in answer.read().decode().splitlines() if text.startswith("deepstack_worker_restarts ")
        )
    return int(float(line.split()[1]))
