"""`deepstack serve` with the default 2,000-layer network: latency, batching, overhead, and minutes of trouble.

- One row under the setting that deploy/ ships (TF_ENABLE_ONEDNN_OPTS=0): over REST p50 ≤ 15 ms and p99 ≤ 40 ms, over
  gRPC p50 ≤ 13 ms.
- 64 concurrent gRPC clients: requests a second with batching / without, ≥ 4; batch of 32: server's time / SavedModel's
  own, ≤ 1.2.
- Ten minutes of mixed load with 20 new versions, 3 killed processes and malformed requests: no wrong answer, no failed
  well-formed request, resident memory after version 20 / after version 5 ≤ 1.10.

Clients and server share the machine. About 15 minutes on 2 cores:
`python benchmarks/server.py [--parts latency,batching,trouble] [--minutes 10]`.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import serving
from _result import RESULTS, Bar, read_result, write_result

from deepstack.serving.client import Client, ServerError, Where

CALLS, WARM_UP, CLIENTS, EACH = 300, 50, 64, 12
RELOADS, FAULTS = 20, 3
NAME = "network"


class Served:
    """A running `deepstack serve`."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "deepstack", "serve", str(folder), "--rest-port", "0", "--grpc-port", "0"]
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("REST"):
                self.rest = line.split("//")[1].split("/")[0]
            if line.startswith("gRPC"):
                self.grpc = line.split()[1]
                return
        sys.exit("the server did not start")

    def workers(self) -> list[int]:
        """Processes of versions."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed]

    def rss_mb(self) -> float:
        """Resident memory of all its processes."""
        total = 0.0
        for pid in (self.process.pid, *self.workers()):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except FileNotFoundError:
                continue
            total += float(status.split("VmRSS:")[1].split()[0]) / 1e3
        return total


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """A server for the length of the block."""
    one = Served(folder, *options)
    try:
        yield one
    finally:
        one.process.send_signal(signal.SIGTERM)
        one.process.wait(60)


def rows(count: int) -> np.ndarray:
    """Unscaled features."""
    return np.random.default_rng(7).normal(size=(count, serving.FEATURES)).astype(np.float32)


def latency(models: Path) -> dict:
    """One row, one client, over both protocols."""
    found = {}
    with served(models) as one:
        for protocol, address in (("grpc", one.grpc), ("rest", one.rest)):
            client, values = Client(Where(address, protocol)), rows(WARM_UP + CALLS)
            times = []
            for k in range(WARM_UP + CALLS):
                body = values[k : k + 1]
                started = time.perf_counter()
                _once(client, protocol, one, body)
                times.append(1e3 * (time.perf_counter() - started))
            p50, p90, p99 = np.percentile(times[WARM_UP:], [50, 90, 99])
            found[protocol] = {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
            print(protocol, {key: round(value, 2) for key, value in found[protocol].items()}, flush=True)
    return found


def _once(client: Client, protocol: str, one: Served, body: np.ndarray) -> None:
    if protocol == "grpc":
        client.predict(NAME, {"features": body})
    else:
        _rest(one, {"instances": body.tolist()})


_connections: dict[str, object] = {}


def _rest(one: Served, body: dict) -> tuple[int, dict]:
    """One POST over a connection that stays open, as a production client keeps it."""
    import http.client

    key = f"{one.rest} {threading.get_ident()}"
    if key not in _connections:
        _connections[key] = http.client.HTTPConnection(one.rest, timeout=60)
    link = _connections[key]
    link.request("POST", f"/v1/models/{NAME}:predict", json.dumps(body))
    answer = link.getresponse()
    return answer.status, json.loads(answer.read())


def batching(models: Path) -> dict:
    """Requests a second of many clients, and a batch's time beside the SavedModel's own."""
    speed = {}
    for name, options in (("joined", ()), ("alone", ("--max-batch-size", "1"))):
        with served(models, *options) as one:
            speed[name] = _flood(one)
            print(f"{name}: {speed[name]:.0f} requests/s", flush=True)
            if name == "joined":
                through = _through(one)
    import tensorflow as tf

    loaded = tf.saved_model.load(str(models / NAME / "1"))
    signature, body = loaded.signatures["serving_default"], tf.constant(rows(32))
    raw = _median(lambda: signature(features=body)["probability"].numpy())
    print(f"batch of 32: server {through:.2f} ms, SavedModel {raw:.2f} ms", flush=True)
    return {"requests_per_s": speed, "server_ms": through, "saved_model_ms": raw}


def _through(one: Served) -> float:
    client, body = Client(Where(one.grpc)), {"features": rows(32)}
    return _median(lambda: client.predict(NAME, body))


def _median(call) -> float:
    times = []
    for _ in range(120):
        started = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times[20:]))


def _flood(one: Served) -> float:
    """Requests a second of 64 clients, each with one request at a time."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.inputs["features"].CopyFrom(tf.make_tensor_proto(rows(1)))
    stubs = [
        prediction_service_pb2_grpc.PredictionServiceStub(
            grpc.insecure_channel(one.grpc, options=[("grpc.use_local_subchannel_pool", 1)])
        )
        for _ in range(8)
    ]

    def ask(number: int) -> None:
        for _ in range(EACH):
            stubs[number % len(stubs)].Predict(request, timeout=120)

    for _ in range(2):  # the first round warms up
        threads = [threading.Thread(target=ask, args=(k,)) for k in range(CLIENTS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
    return CLIENTS * EACH / seconds


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

        def well(protocol: str) -> None:
            client = Client(Where(one.grpc), deadline_s=60.0, retries=0)
            while not stop.is_set():
                k = int(time.time() * 1e6) % 4
                try:
                    if protocol == "grpc":
                        found = client.predict(NAME, {"features": body[: k + 1]})["probability"]
                    else:
                        status, answer = _rest(one, {"instances": body[: k + 1].tolist()})
                        found = (
                            np.array([row["probability"] for row in answer["predictions"]]) if status == 200 else None
                        )
                except (ServerError, OSError, KeyError) as error:
                    errors.append(str(error)[:200])
                    count(failed=1)
                    continue
                good = found is not None and any(np.allclose(found, p[: k + 1], atol=1e-5) for p in right)
                count(answered=1, wrong=int(not good))

        def badly() -> None:
            nonsense = [
                {},
                {"instances": [[1]]},
                {"instances": "x"},
                {"inputs": {"no": 1}},
                {"instances": [[{"b64": "!"}]]},
            ]
            while not stop.is_set():
                for each in nonsense:
                    status, _ = _rest(one, each)
                    count(malformed=1, malformed_500=int(status >= 500 or status == 200))
                time.sleep(0.2)

        threads = [threading.Thread(target=well, args=(p,)) for p in ("grpc", "grpc", "rest")]
        threads.append(threading.Thread(target=badly))
        for thread in threads:
            thread.start()
        memory = _reloads(one, exports, models, minutes)
        stop.set()
        for thread in threads:
            thread.join()
    print(counts, {k: round(v) for k, v in memory.items()}, errors[:3], flush=True)
    return {**counts, "rss_mb": memory, "minutes": minutes, "errors": errors[:5]}


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
        memory[number] = one.rss_mb()
    return memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="latency,batching,trouble")
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    found = read_result("server")[1] if (RESULTS / "server.json").exists() else {}
    found = {name: found[name] for name in ("latency", "batching", "trouble") if name in found}
    code = 0
    with tempfile.TemporaryDirectory() as temporary:
        exports = Path(temporary)
        for k in (0, 1):
            subprocess.run([sys.executable, __file__, "export", str(exports), str(k)], check=True)
        models = exports / "models"
        shutil.copytree(exports / "folded0", models / NAME / "1")
        measures = {
            "latency": lambda: latency(models),
            "batching": lambda: batching(models),
            "trouble": lambda: trouble(exports, arguments.minutes),
        }
        for name in arguments.parts.split(","):
            found[name] = measures[name]()
            code = write_result("server", bars(found), setting="TF_ENABLE_ONEDNN_OPTS=0", **found)
    sys.exit(code)


def export(folder: Path, number: int) -> None:
    """The default network with one of two sets of weights."""
    from deepstack.artifact.export import export_saved_model

    serving.SEED = 7 + number
    model, decision = serving._network(serving.FEATURES), serving._decision(serving.FEATURES)
    examples = {"features": np.zeros((1, serving.FEATURES), np.float32)}
    export_saved_model(folder / f"folded{number}", model, decision, examples, NAME)


def bars(found: dict) -> list[Bar]:
    """Those of the parts that were measured."""
    made = []
    if "latency" in found:
        grpc, rest = found["latency"]["grpc"], found["latency"]["rest"]
        made.append(Bar("served network, one row over REST, p50", rest["p50_ms"], "<=", 15.0, "ms"))
        made.append(Bar("served network, one row over REST, p99", rest["p99_ms"], "<=", 40.0, "ms"))
        made.append(Bar("served network, one row over gRPC, p50", grpc["p50_ms"], "<=", 13.0, "ms"))
    if "batching" in found:
        one = found["batching"]
        ratio = one["requests_per_s"]["joined"] / one["requests_per_s"]["alone"]
        made.append(Bar("64 gRPC clients, requests/s with batching / without", ratio, ">=", 4.0, "×"))
        made.append(Bar("batch of 32, server / SavedModel", one["server_ms"] / one["saved_model_ms"], "<=", 1.2, "×"))
    if "trouble" in found:
        one = found["trouble"]
        memory = {int(number): value for number, value in one["rss_mb"].items()}
        made.append(Bar("mixed load, wrong answers", float(one["wrong"]), "<=", 0.0))
        made.append(Bar("mixed load, failed well-formed requests", float(one["failed"]), "<=", 0.0))
        made.append(Bar("malformed requests not refused as such", float(one["malformed_500"]), "<=", 0.0))
        made.append(Bar("resident memory after version 20 / after 5", memory[20] / memory[5], "<=", 1.1, "×"))
    return made


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "export":
        export(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
