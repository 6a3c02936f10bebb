"""The whole server: models watched, both protocols listening, ended without losing an answer."""

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import uvicorn
from tensorflow.core.protobuf.config_pb2 import ConfigProto

from deepstack.errors import DeepstackError
from deepstack.serving.server.batching import Batching
from deepstack.serving.server.grpc_api import make_grpc
from deepstack.serving.server.metrics import Metrics
from deepstack.serving.server.models import Models
from deepstack.serving.server.response_cache import ResponseCache
from deepstack.serving.server.rest_api import make_rest
from deepstack.serving.session_config import read_session_config

GRACE_S = 10.0
"""For what is asked when the server ends: of each protocol, then of the models."""


@dataclass(frozen=True)
class Options:
    """How a server listens.

    Attributes:
        host: loopback unless told otherwise.
        rest_port, grpc_port: 0 takes a free one.
        poll_s: between looks at the models' folder.
        batching: of every signature.
        most_bytes: of a request.
        certificate, key: PEM files; both or neither.
        token: bearer token that every request must carry; empty lets everybody in.
        session: how TensorFlow runs the graphs.
        cache_bytes, cache_ttl_s: room and age of answers that are kept; 0 bytes keeps none.
    """

    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500
    poll_s: float = 1.0
    batching: Batching = field(default_factory=Batching)
    most_bytes: int = 64 * 1024 * 1024
    certificate: Path | None = None
    key: Path | None = None
    token: str = ""
    session: ConfigProto = field(default_factory=read_session_config)
    cache_bytes: int = 0
    cache_ttl_s: float = 60.0


class Server:
    """One server; `start`, then `stop`."""

    def __init__(self, folder: Path, options: Options, more: Any = None) -> None:
        self.options = options
        cache = ResponseCache(options.cache_bytes, options.cache_ttl_s)
        self.models = Models(folder, options.batching, self._size, cache, options.session)
        self.metrics = Metrics(self.models.loaded)
        self.metrics.watch_cache(cache)
        limits: dict[str, Any] = {"most_bytes": options.most_bytes, "token": options.token}
        self._grpc = make_grpc(self.models, self.metrics, **limits)
        self._rest = uvicorn.Server(
            uvicorn.Config(
                make_rest(self.models, self.metrics, **limits, more=more),
                host=options.host,
                port=options.rest_port,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=int(GRACE_S),
                ssl_certfile=str(options.certificate) if options.certificate else None,
                ssl_keyfile=str(options.key) if options.key else None,
            )
        )
        self._tasks: list[asyncio.Task] = []
        self.grpc_port = self.rest_port = 0

    async def start(self) -> None:
        """Load what is there, then listen.

        Raises:
            DeepstackError: a port that is taken.
            ArtifactError: a models.config that cannot be read.
        """
        await self.models.refresh()
        self._gauge()
        address = f"{self.options.host}:{self.options.grpc_port}"
        try:
            self.grpc_port = (
                self._grpc.add_secure_port(address, self._credentials())
                if self.options.certificate
                else self._grpc.add_insecure_port(address)
            )
        except RuntimeError as error:
            await self.models.close()
            raise _taken("--grpc-port", self.options.grpc_port) from error
        await self._grpc.start()
        try:
            listening = _listening(self.options.host, self.options.rest_port)
        except OSError as error:
            await self._grpc.stop(0)
            await self.models.close()
            raise _taken("--rest-port", self.options.rest_port) from error
        self.rest_port = listening.getsockname()[1]
        self._tasks = [
            asyncio.create_task(self._rest.serve(sockets=[listening])),
            asyncio.create_task(self._watch()),
        ]
        while not self._rest.started and not self._tasks[0].done():
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Answer what has come, take no more, end every process."""
        self._tasks[1].cancel()
        self._rest.should_exit = True
        await self._grpc.stop(GRACE_S)
        await self._tasks[0]
        await self.models.close(GRACE_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.options.poll_s)
            try:
                await self.models.refresh()
            except (DeepstackError, OSError) as error:
                print(f"models: {error}", flush=True)  # what is served stays as it is
            self._gauge()

    def _gauge(self) -> None:
        for name, versions in self.models.loaded.items():
            self.metrics.versions.labels(name).set(sum(one.state == "AVAILABLE" for one in versions.values()))
        for name in self.models.gone.keys() - self.models.loaded.keys():
            self.metrics.versions.labels(name).set(0)
        every = [one.restarts for versions in self.models.loaded.values() for one in versions.values()]
        self.metrics.restarts.set(sum(every))

    def _size(self, model: str, version: int, signature: str, rows: int) -> None:
        self.metrics.rows.labels(model).observe(rows)

    def _credentials(self) -> Any:
        assert self.options.certificate is not None and self.options.key is not None
        pair = self.options.key.read_bytes(), self.options.certificate.read_bytes()
        return grpc.ssl_server_credentials([pair])


async def serve(folder: Path, options: Options, ready: Callable[[Server], None], more: Any = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        folder: of the models.
        options: how to listen.
        ready: told once both protocols listen.
        more: FastAPI router of further routes.
    """
    server = Server(folder, options, more)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await server.start()
    ready(server)
    await ended.wait()
    await server.stop()


def _listening(host: str, port: int) -> socket.socket:
    """A bound socket that names its protocol: asyncio sends small answers at once on such ones alone."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, kind, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(address)
    return found


def _taken(option: str, port: int) -> DeepstackError:
    return DeepstackError(option, expected="a free port", received=str(port), remedy="another, or 0 for any")
