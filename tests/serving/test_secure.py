"""TLS on both protocols, and an end by SIGTERM that owes nobody an answer."""

import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import trustme
from running_server import FEATURES, Running, running

from deepstack.serving.client import Client, ServerError, Where

ROWS = np.random.default_rng(3).normal(size=(2, FEATURES)).astype(np.float32)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(versions: Path, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Running:
    place = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(place / "server.key")
    issued.cert_chain_pems[0].write_to_path(place / "server.pem")
    (place / "models").mkdir()
    (place / "models" / "net").symlink_to(versions)
    with running(place / "models", certificate=place / "server.pem", key=place / "server.key", token="secret") as one:
        yield one


def where(one: Running, protocol: str, trusted: bytes | None, token: str = "secret") -> Where:
    port = one.server.grpc_port if protocol == "grpc" else one.server.rest_port
    return Where(f"localhost:{port}", protocol, token, trusted)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_who_trusts_the_authority_is_answered(
    protocol: str, secure: Running, authority: trustme.CA, versions: Path
) -> None:
    trusted = authority.cert_pem.bytes()
    newest = max(versions.iterdir(), key=lambda path: int(path.name) if path.name.isdigit() else -1)
    call = tf.saved_model.load(str(newest)).signatures["serving_default"]
    found = Client(where(secure, protocol, trusted)).predict("net", {"features": ROWS})
    np.testing.assert_allclose(found["probability"], call(features=tf.constant(ROWS))["probability"], atol=1e-5)
    with pytest.raises(ServerError, match=r"(?i)token|unauthenticated|401"):
        Client(where(secure, protocol, trusted, token="guess"), retries=0).predict("net", {"features": ROWS})


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
@pytest.mark.parametrize("trusted", ["another authority", "no TLS"])
def test_who_does_not_is_not(protocol: str, trusted: str, secure: Running) -> None:
    certificate = trustme.CA().cert_pem.bytes() if trusted == "another authority" else None
    asking = Client(where(secure, protocol, certificate), retries=0, deadline_s=5.0)
    with pytest.raises(ServerError) as caught:
        asking.predict("net", {"features": ROWS})
    if (protocol, trusted) == ("rest", "another authority"):  # never tried again: it would not be trusted then either
        assert caught.type is ServerError and "a certificate that is not trusted" in str(caught.value)


def test_rest_speaks_tls_alone(secure: Running, authority: trustme.CA) -> None:
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    request = urllib.request.Request(f"https://localhost:{secure.server.rest_port}/v1/models/net")
    request.add_header("Authorization", "Bearer secret")
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises((urllib.error.URLError, OSError)):
        urllib.request.urlopen(f"http://localhost:{secure.server.rest_port}/v1/models/net", timeout=5)


def workers_of(server: int) -> list[int]:
    """Processes of a server that still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            found += [int(place.name)] if int(parent) == server and state != "Z" else []
    return sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "send"), [(signal.SIGTERM, os.kill), (signal.SIGTERM, os.killpg), (signal.SIGINT, os.killpg)]
)
def test_a_signal_answers_what_is_under_way_and_ends_with_0(
    number: int, send: Callable[[int, int], None], versions: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net").symlink_to(versions)
    command = [sys.executable, "-m", "deepstack", "serve", str(tmp_path / "models"), "--rest-port", "0"]
    command += ["--grpc-port", "0", "--batch-timeout-ms", "1500", "--max-batch-size", "64"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    server = subprocess.Popen(command, env=os.environ, start_new_session=True, **pipes)
    assert server.stdout is not None
    lines = iter(server.stdout.readline, "")
    rest = next(line.split("//")[1].strip() for line in lines if line.startswith("REST "))
    address = next(line.split()[1] for line in lines if line.startswith("gRPC "))
    answers: list[np.ndarray] = []

    def ask(place: Where) -> None:
        asking = Client(place, retries=0, deadline_s=30.0)
        answers.append(asking.predict("net", {"features": ROWS})["probability"])

    try:
        Client(Where(address)).predict("net", {"features": ROWS})
        both = (Where(address), Where(rest, "rest"))
        several = [threading.Thread(target=ask, args=(both[k % 2],)) for k in range(8)]
        for one in several:
            one.start()
        time.sleep(0.4)  # they wait for others to join their batch
        assert not answers
        working = workers_of(server.pid)
        send(server.pid, number)
        time.sleep(0.2)
        assert working and workers_of(server.pid) == working
        for one in several:
            one.join()
        assert len(answers) == 8 and all(np.allclose(one, answers[0], atol=1e-6) for one in answers)
        assert server.wait(timeout=60) == 0 and not any(Path(f"/proc/{one}").exists() for one in working)
    finally:
        server.kill()
        server.communicate()
    with pytest.raises(ServerError):
        Client(Where(address), retries=0, deadline_s=5.0).predict("net", {"features": ROWS})
