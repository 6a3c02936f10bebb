"""A running `deepstack serve`, and how a benchmark asks it."""

import http.client
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import serving

NAME = "network"
_connections: dict[str, http.client.HTTPConnection] = {}


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
                self.rest = line.split("//")[1].split("/")[0].strip()
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


def request_of(count: int) -> Any:
    """A PredictRequest of so many rows, ready to be sent."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.inputs["features"].CopyFrom(tf.make_tensor_proto(rows(count)))
    return request


def stub_of(address: str) -> Any:
    """A client of the server there, on a connection of its own."""
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def ask_rest(one: Served, body: dict, method: str = "predict") -> tuple[int, dict]:
    """One POST over a connection that stays open, as a production client keeps it."""
    key = f"{one.rest} {threading.get_ident()}"
    if key not in _connections:
        _connections[key] = http.client.HTTPConnection(one.rest, timeout=60)
    link = _connections[key]
    try:
        link.request("POST", f"/v1/models/{NAME}:{method}", json.dumps(body))
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        del _connections[key]
        raise
