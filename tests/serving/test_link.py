"""Messages of a link arrive whole however the bytes are cut, and nobody waits for a process that has ended."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepstack.serving.server.frames import pack
from deepstack.serving.server.link import Link, LinkEndedError
from deepstack.serving.server.version import Version


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing


def made() -> tuple[Link, list[Link]]:
    lost: list[Link] = []
    link = Link(lost.append)
    link.connection_made(Wire())
    return link, lost


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_answers_find_who_asked_in_whatever_pieces_they_come(size: int) -> None:
    async def run() -> None:
        link, _ = made()
        first, second = (asyncio.create_task(link.ask({"signature": name}, {})) for name in "ab")
        await asyncio.sleep(0)
        values = np.arange(100, dtype=np.float32)
        stream = pack({"id": 0, "hello": 1}, {}) + pack({"id": 2}, {"x": -values}) + pack({"id": 1}, {"x": values})
        for start in range(0, len(stream), size):
            link.data_received(stream[start : start + size])
        assert (await link.greeting)["hello"] == 1
        np.testing.assert_array_equal((await first)[1]["x"], values)
        np.testing.assert_array_equal((await second)[1]["x"], -values)

    asyncio.run(run())


def test_what_nobody_waits_for_any_more_is_answered_before_more_is_asked() -> None:
    """The process works at it all the same: clients with short deadlines must not pile work up there."""

    async def run() -> None:
        link, _ = made()
        link.data_received(pack({"id": 0}, {}))
        hasty = asyncio.create_task(link.ask({}, {}))
        await asyncio.sleep(0)
        hasty.cancel()
        patient = asyncio.create_task(link.ask({}, {}))
        for _ in range(5):
            await asyncio.sleep(0)
        assert hasty.cancelled() and len(link._transport.written) == 1
        link.data_received(pack({"id": 1}, {}))
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(link._transport.written) == 2
        link.data_received(pack({"id": 2, "mine": 1}, {}))
        assert (await patient)[0]["mine"] == 1
        more, waits = (asyncio.create_task(link.ask({}, {})) for _ in range(2))
        await asyncio.sleep(0)
        more.cancel()
        await asyncio.sleep(0)
        late = asyncio.create_task(link.ask({}, {}))
        await asyncio.sleep(0)
        link._transport.closing = True
        link.connection_lost(None)
        for each in (waits, late):
            with pytest.raises(LinkEndedError):
                await each

    asyncio.run(run())


def test_who_waits_hears_of_the_end_and_the_owner_before_them() -> None:
    async def run() -> None:
        link, lost = made()
        asked = asyncio.create_task(link.ask({}, {}))
        await asyncio.sleep(0)
        link.connection_lost(None)
        assert lost == [link]
        for waiting in (asked, link.greeting):
            with pytest.raises(LinkEndedError):
                await waiting

    asyncio.run(run())


def test_nobody_asks_before_the_process_has_called() -> None:
    async def run() -> None:
        with pytest.raises(LinkEndedError):
            await Link(lambda link: None).ask({}, {})

    asyncio.run(run())


def test_one_death_is_replaced_once_and_asks_wait_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> list[str]:
        version = Version("net", 1, tmp_path, "AVAILABLE")
        wire, started = Wire(), []

        async def start(*more: str) -> None:
            started.append(more)
            version._link = Link(version._lost)
            version._link.connection_made(Wire())
            version._ready.set()

        async def ask_once(link: Link, signature: str, inputs: Any) -> Any:
            assert link is version._link
            return {"answered": signature}

        monkeypatch.setattr(version, "_start", start)
        monkeypatch.setattr(version, "_ask_once", ask_once)
        dying = version._link = Link(version._lost)
        dying.connection_made(wire)
        version._ready.set()
        wire.closing = True  # the end has been read, and nobody has been told
        asked = asyncio.create_task(version.ask("serving_default", {}))
        await asyncio.sleep(0)
        dying.connection_lost(None)
        assert await asked == {"answered": "serving_default"}
        assert version._link is not dying and version.restarts == 1
        return started

    assert asyncio.run(run()) == [("awaited",)]
