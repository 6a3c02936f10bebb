"""One loaded version of a model: a process of its own, replaced when it dies, gone when the version is unloaded."""

import asyncio
import base64
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from grpc import StatusCode
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from deepstack.serving.server.batching import Batcher
from deepstack.serving.server.frames import Arrays
from deepstack.serving.server.link import ENDED, Link, LinkEndedError
from deepstack.serving.server.refusal import Refusal, invalid
from deepstack.serving.session_config import read_session_config

State = Literal["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
LOAD_S = 300.0
"""A version that has not loaded by then never will."""
RESTARTS = 5
"""In a row without an answer between them, after which a version is given up."""
PAUSE_S = 0.2
"""Before a process that did not start is replaced; twice as long each time."""


@dataclass(eq=False)
class Version:
    """A version and its process.

    Attributes:
        model, number: which.
        folder: of the SavedModel.
        state: as TensorFlow Serving names them.
        error: why it could not be loaded.
        settings: of the process's TensorFlow session.
        signatures: name → definition, once it is loaded.
        restarts: processes replaced.
        ended_at: seconds since 1970, when it was let go or given up.
        serial: of this object among all there ever were.
        batchers: signature → queue.
    """

    model: str
    number: int
    folder: Path
    state: State = "START"
    error: str = ""
    settings: ConfigProto = field(default_factory=read_session_config)
    signatures: dict[str, SignatureDef] = field(default_factory=dict)
    restarts: int = 0
    ended_at: float = 0.0
    serial: int = field(default_factory=itertools.count().__next__)
    batchers: dict[str, Batcher] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _link: Link | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _open: int = 0
    _tasks: set[asyncio.Task] = field(default_factory=set)
    _barren: int = 0

    async def load(self) -> None:
        """Start the process and wait until the version can answer; `state` says how it went."""
        self.state = "LOADING"
        try:
            await asyncio.wait_for(self._start(), LOAD_S)
        except (TimeoutError, LinkEndedError, OSError) as error:
            self.error = str(error) or f"not loaded within {LOAD_S:g} s"
            await self._end()
            return
        self.state = "AVAILABLE"

    async def ask(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """The outputs of a signature; asked once more where the process dies over it.

        Raises:
            Refusal: INVALID_ARGUMENT from the graph, UNAVAILABLE where the process died twice.
        """
        with self.held():
            for _ in range(2):
                link = await self._living()
                if link is None:
                    break
                try:
                    return await self._ask_once(link, signature, inputs)
                except LinkEndedError:
                    continue
            raise Refusal(StatusCode.UNAVAILABLE, f"the process of {self.model} version {self.number} died")

    @contextmanager
    def held(self) -> Iterator[None]:
        """It is not unloaded before the block ends: a request may wait in a queue, or ask more than once."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def unload(self, most_s: float = math.inf) -> None:
        """Let what is asked be answered, for so long at most, then end the process."""
        self.state = "UNLOADING"
        until = time.monotonic() + most_s
        while self._open and self.state == "UNLOADING" and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await self._end()

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid if self._process else None

    async def _living(self) -> Link | None:
        """The link to a process that can be asked, once there is one; None where none will be."""
        while True:
            await self._ready.wait()
            if self.state == "END" or self._link is None:
                return None
            if self._link.open:
                return self._link
            self._lost(self._link)

    async def _start(self, *more: str) -> None:
        loop = asyncio.get_running_loop()
        link = Link(self._lost)
        with tempfile.TemporaryDirectory(prefix="deepstack-") as place:
            address = f"{place}/link"
            server = await loop.create_unix_server(lambda: link, address)
            try:
                settings = base64.b64encode(self.settings.SerializeToString()).decode()
                given = (address, str(self.folder), settings, *more)
                command = (sys.executable, "-m", "deepstack.serving.server.worker", *given)
                self._process = await asyncio.create_subprocess_exec(*command)
                head = await _greeted(link, self._process)
            finally:
                server.close()
        if "error" in head:
            raise LinkEndedError(head["error"])
        self.signatures = {
            name: SignatureDef.FromString(base64.b64decode(text)) for name, text in head["signatures"].items()
        }
        self._link = link
        self._ready.set()
        if not link.open:
            self._lost(link)

    def _lost(self, link: Link) -> None:
        """Replace the process of this link, unless that is under way or it was meant to end."""
        if link is self._link and self.state != "END":
            self._link = None
            self._ready.clear()
            self._spawn(self._replace())

    async def _replace(self) -> None:
        """Start processes until one answers or too many have ended."""
        why, pause_s = "", PAUSE_S
        await self._kill()
        while self._barren < RESTARTS and self.state != "END":
            self.restarts, self._barren = self.restarts + 1, self._barren + 1
            try:
                await asyncio.wait_for(self._start("awaited"), LOAD_S)
                if self.state != "END":
                    return
            except (TimeoutError, LinkEndedError, OSError) as error:
                why = f", at last: {error}"
            await self._kill()
            await asyncio.sleep(pause_s)
            pause_s *= 2.0
        if self.state != "END":
            self.error = f"its process died {self._barren + 1} times in a row{why}"
            await self._end()

    async def _ask_once(self, link: Link, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        head, arrays = await link.ask({"signature": signature}, inputs)
        self._barren = 0
        if "error" in head:
            code = StatusCode.INVALID_ARGUMENT if head["code"] == "invalid" else StatusCode.INTERNAL
            raise Refusal(code, head["error"]) if code is StatusCode.INTERNAL else invalid(head["error"])
        return arrays

    async def _end(self) -> None:
        self.state, self.ended_at = "END", time.time()
        self._ready.set()
        if self._link is not None:
            self._link.close()
        await self._kill()

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _greeted(link: Link, process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The head of its first message.

    Raises:
        LinkEndedError: it ended before, with its exit code.
    """
    ended = asyncio.ensure_future(process.wait())
    either: set[asyncio.Future[Any]] = {link.greeting, ended}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if link.greeting.done() and not link.greeting.exception():
            return link.greeting.result()
        await asyncio.wait({ended}, timeout=1.0)
        code = f" with exit code {ended.result()}" if ended.done() else ""
        raise LinkEndedError(f"{ENDED}{code} while it started")
    finally:
        ended.cancel()
