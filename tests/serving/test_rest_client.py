"""The REST client before servers that are slow, cut it off or talk nonsense: its own error, in time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from deepstack.serving.client import Client, ServerError, UnavailableError, Where

METADATA = (
    b'{"model_spec": {"version": "3"}, "metadata": {"signature_def": {"signature_def": '
    b'{"serving_default": {"inputs": {"features": {"tensor_shape": {"dim": [{"size": "-1"}, {"size": "6"}]}}}}}}}}'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: "
GOOD = HEAD + b"%d\r\n\r\n" % len(METADATA) + METADATA
Say = Callable[[socket.socket], None]


@contextmanager
def saying(*answers: bytes | Say) -> Iterator[tuple[Client, list[bytes]]]:
    """A client of a server that gives each connection the next answer, and what was asked of it."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                with suppress(OSError), server.accept()[0] as link:
                    asked.append(link.recv(65536))
                    answer(link) if callable(answer) else link.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield Client(Where(f"127.0.0.1:{server.getsockname()[1]}", "rest"), deadline_s=1.0), asked


def drop_by_drop(begin: bytes) -> Say:
    def say(link: socket.socket) -> None:
        link.sendall(begin)
        for _ in range(40):
            link.sendall(b"x")
            time.sleep(0.1)

    return say


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD + b"100\r\n\r\n", b"HTTP/1.1 404 No\r\n\r\n"])
def test_the_deadline_is_that_of_the_whole_call(begin: bytes) -> None:
    with saying(drop_by_drop(begin)) as (client, _):
        started = time.monotonic()
        with pytest.raises(ServerError, match="received none in time"):
            client.signatures("net")
        assert time.monotonic() - started < 2.0


@pytest.mark.parametrize("cut", [b"", GOOD[:-9], b"HTTP/1.1 404 No\r\nContent-Length: 50\r\n\r\n{"])
def test_an_answer_that_is_cut_off_is_asked_for_again(cut: bytes) -> None:
    with saying(cut, cut, GOOD) as (client, asked):
        assert client.signatures("net") == {"serving_default": {"features": (-1, 6)}}
        assert len(asked) == 3


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        HEAD + b"3\r\n\r\n{3,",
        HEAD + b"2\r\n\r\n[]",
        HEAD + b'14\r\n\r\n{"metadata":1}',
        HEAD + b"9999\r\n\r\n" + 9999 * b"[",
    ],
)
def test_what_is_no_answer_is_refused_at_once(nonsense: bytes) -> None:
    with saying(nonsense, GOOD) as (client, asked):
        with pytest.raises(ServerError, match=r"expected an answer, received (no HTTP|one that is not)") as caught:
            client.signatures("net")
        assert not isinstance(caught.value, UnavailableError) and len(asked) == 1
