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
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from deepstack.serving.server.batching import Batcher
from deepstack.serving.server.frames import LENGTHS, pack, unpack
from deepstack.serving.server.refusal import Refusal, invalid

State = Literal["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
Arrays = dict[str, np.ndarray]
LOAD_S = 300.0
"""A version that has not loaded by then never will."""
RESTARTS = 5
"""In a row without an answer between them, after which a version is given up."""
PAUSE_S = 0.2
"""Before a process that did not start is replaced; twice as long each time."""


class _Died(Exception):  # noqa: N818  what happened to the process
    """The process ended while it was asked."""


@dataclass(eq=False)
class Version:
    """A version and its process.

    Attributes:
        model, number: which.
        folder: of the SavedModel.
        state: as TensorFlow Serving names them.
        error: why it could not be loaded.
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
    signatures: dict[str, SignatureDef] = field(default_factory=dict)
    restarts: int = 0
    ended_at: float = 0.0
    serial: int = field(default_factory=itertools.count().__next__)
    batchers: dict[str, Batcher] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _writer: asyncio.StreamWriter | None = None
    _asked: dict[int, asyncio.Future] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _open: int = 0
    _tasks: set[asyncio.Task] = field(default_factory=set)
    _barren: int = 0

    async def load(self) -> None:
        """Start the process and wait until the version can answer; `state` says how it went."""
        self.state = "LOADING"
        try:
            await asyncio.wait_for(self._start(), LOAD_S)
        except (TimeoutError, _Died, OSError) as error:
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
                await self._ready.wait()
                if self.state == "END":
                    break
                try:
                    return await self._ask_once(signature, inputs)
                except _Died:
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

    async def _start(self, *more: str) -> None:
        connected: asyncio.Future = asyncio.get_running_loop().create_future()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.set_result((reader, writer))

        with tempfile.TemporaryDirectory(prefix="deepstack-") as place:
            address = f"{place}/link"
            server = await asyncio.start_unix_server(accept, address, limit=1 << 24)
            command = (sys.executable, "-m", "deepstack.serving.server.worker", address, str(self.folder), *more)
            self._process = await asyncio.create_subprocess_exec(*command)
            ended = asyncio.ensure_future(self._process.wait())
            done, _ = await asyncio.wait({connected, ended}, return_when=asyncio.FIRST_COMPLETED)
            server.close()
            if connected not in done:
                raise _Died(f"its process ended with exit code {ended.result()} while it started")
            ended.cancel()
        reader, self._writer = connected.result()
        head, _ = await _receive(reader)
        if "error" in head:
            raise _Died(head["error"])
        self.signatures = {
            name: SignatureDef.FromString(base64.b64decode(text)) for name, text in head["signatures"].items()
        }
        self._ready.set()
        self._spawn(self._listen(reader))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Hand answers out until the process ends; replace it unless it was meant to end."""
        with suppress(_Died):
            while True:
                head, arrays = await _receive(reader)
                self._barren = 0
                asked = self._asked.pop(head["id"], None)
                if asked is not None and not asked.done():
                    asked.set_result((head, arrays))
        if self.state not in ("AVAILABLE", "UNLOADING"):
            return
        self._ready.clear()
        self._fail_asked()
        await self._replace()

    async def _replace(self) -> None:
        """Start processes until one answers or too many have ended."""
        why, pause_s = "", PAUSE_S
        while self._barren < RESTARTS and self.state != "END":
            self.restarts, self._barren = self.restarts + 1, self._barren + 1
            try:
                await asyncio.wait_for(self._start("awaited"), LOAD_S)
                if self.state != "END":
                    return
            except (TimeoutError, _Died, OSError) as error:
                why = f", at last: {error}"
            await self._kill()
            await asyncio.sleep(pause_s)
            pause_s *= 2.0
        if self.state != "END":
            self.error = f"its process died {self._barren + 1} times in a row{why}"
            await self._end()

    async def _ask_once(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        number = next(self._numbers)
        message = pack({"id": number, "signature": signature}, inputs)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        assert self._writer is not None
        try:
            self._writer.write(message)
            await self._writer.drain()
        except (ConnectionError, OSError) as error:
            self._asked.pop(number, None)
            self._ready.clear()  # until the listener has replaced the process
            raise _Died from error
        head, arrays = await asked
        if "error" in head:
            code = StatusCode.INVALID_ARGUMENT if head["code"] == "invalid" else StatusCode.INTERNAL
            raise Refusal(code, head["error"]) if code is StatusCode.INTERNAL else invalid(head["error"])
        found: Arrays = arrays
        return found

    def _fail_asked(self) -> None:
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(_Died())
        self._asked.clear()

    async def _end(self) -> None:
        self.state, self.ended_at = "END", time.time()
        self._ready.set()
        self._fail_asked()
        if self._writer is not None:
            self._writer.close()
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


async def _receive(reader: asyncio.StreamReader) -> tuple[dict[str, Any], Arrays]:
    try:
        lengths = await reader.readexactly(LENGTHS.size)
        head, body = LENGTHS.unpack(lengths)
        return unpack(await reader.readexactly(head), await reader.readexactly(body))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise _Died("its process ended") from error
