"""The client's patience, over both protocols: a deadline, retries with jitter while nobody answers, and no others."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from test_rest_client import HEAD, saying

from deepstack.serving import client as module
from deepstack.serving.client import FIRST_WAIT_S, Client, ServerError, UnavailableError, Where

ROWS = np.ones((2, 6), np.float32)


class Sleeper(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers too late."""

    def __init__(self) -> None:
        self.asked = 0

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked += 1
        time.sleep(1.5)
        return predict_pb2.PredictResponse()


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
@pytest.mark.parametrize("share", [0.5, 1.5])
def test_nobody_there_is_asked_again_after_pauses_that_double_times_a_random_share(
    protocol: Any, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    between: list[tuple[float, float]] = []
    monkeypatch.setattr(module.random, "uniform", lambda low, high: between.append((low, high)) or share)
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    client = Client(Where("127.0.0.1:1", protocol), deadline_s=30.0, retries=3)
    with pytest.raises(UnavailableError):
        client.predict("net", {"features": ROWS})
    assert [pause for pause in pauses if pause >= FIRST_WAIT_S / 2] == pytest.approx(
        [share * FIRST_WAIT_S * 2**k for k in range(3)]
    )
    assert between == [(0.5, 1.5)] * 4


def test_a_grpc_answer_that_comes_too_late_is_not_asked_for_again() -> None:
    service = Sleeper()
    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    started = time.monotonic()
    with pytest.raises(ServerError, match="DEADLINE_EXCEEDED") as caught:
        Client(Where(f"127.0.0.1:{port}"), deadline_s=0.5).predict("net", {"features": ROWS})
    assert time.monotonic() - started < 1.4
    assert service.asked == 1 and not isinstance(caught.value, UnavailableError)
    server.stop(None)


def answer(tree: dict[str, Any]) -> bytes:
    body = json.dumps(tree).encode()
    return HEAD + b"%d\r\n\r\n" % len(body) + body


def described(**outputs: str) -> bytes:
    found = {"outputs": {name: {"dtype": dtype} for name, dtype in outputs.items()}}
    return answer({"metadata": {"signature_def": {"signature_def": {"serving_default": found}}}})


def test_a_rest_client_asks_for_the_types_once_and_again_when_the_outputs_are_others() -> None:
    one, two = answer({"outputs": {"p": [1.0], "n": [3]}}), answer({"outputs": {"p": [1.0], "m": [4]}})
    first, later = described(p="DT_FLOAT", n="DT_INT32"), described(p="DT_FLOAT", m="DT_INT64")
    with saying(first, one, one, two, later) as (client, asked):
        for _ in range(2):
            found = client.predict("net", {"features": ROWS})
            assert {name: values.dtype for name, values in found.items()} == {"p": np.float32, "n": np.int32}
        assert client.predict("net", {"features": ROWS})["m"].dtype == np.int64
    assert [b":predict" in text for text in asked] == [False, True, True, True, False]
