"""The server's end of the link to the process of a version: questions go out, answers find who asked."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deepstack.serving.server.frames import LENGTHS, Arrays, pack, unpack

ENDED = "its process ended"


class LinkEndedError(Exception):
    """The process has ended, or ended while it was asked."""


class Link(asyncio.Protocol):
    """One connection, as the factory of an asyncio server makes it.

    A protocol and no streams: an answer is handed over in the turn of the event loop in which it arrives.

    Args:
        lost: told that the connection has ended, before anybody who waits for an answer is.

    Attributes:
        greeting: the head of the first message; `LinkEndedError` where none comes.
    """

    def __init__(self, lost: Callable[["Link"], None]) -> None:
        self.greeting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.greeting.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard, even if by nobody
        self._lost = lost
        self._asked: dict[int, asyncio.Future] = {}
        self._abandoned: set[asyncio.Future] = set()
        self._numbers = itertools.count(1)
        self._came = bytearray()
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether the process can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], Arrays]:
        """The head and the arrays of the answer.

        It is asked after what nobody waits for any more, at which the process works all the same.

        Raises:
            LinkEndedError: there is none.
        """
        while self._abandoned:
            await asyncio.wait(self._abandoned)
        if not self.open:
            raise LinkEndedError(ENDED)
        assert self._transport is not None
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self._transport.write(pack({**head, "id": number}, arrays))
        try:
            found: tuple[dict[str, Any], Arrays] = await answer
        except asyncio.CancelledError:
            self._abandon(number)
            raise
        return found

    def close(self) -> None:
        """Hang up; the process ends then."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process has called."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Some bytes of its messages."""
        self._came += data
        while len(self._came) >= LENGTHS.size:
            head, body = LENGTHS.unpack_from(self._came)
            end = LENGTHS.size + head + body
            if len(self._came) < end:
                return
            whole = bytes(memoryview(self._came)[:end])
            del self._came[:end]
            self._take(*unpack(whole[LENGTHS.size : LENGTHS.size + head], whole[LENGTHS.size + head :]))

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._lost(self)
        for waiting in (self.greeting, *self._asked.values()):
            if not waiting.done():
                waiting.set_exception(LinkEndedError(ENDED))
        self._asked.clear()

    def _abandon(self, number: int) -> None:
        if number in self._asked:
            left = self._asked[number] = asyncio.get_running_loop().create_future()
            self._abandoned.add(left)
            left.add_done_callback(self._abandoned.discard)
            left.add_done_callback(lambda done: done.exception())  # heard, even if by nobody

    def _take(self, head: dict[str, Any], arrays: Arrays) -> None:
        if not self.greeting.done():
            self.greeting.set_result(head)
            return
        asked = self._asked.pop(head["id"], None)
        if asked is not None and not asked.done():
            asked.set_result((head, arrays))
