"""Which versions are loaded and let go, without processes."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from deepstack.serving.server import version as module
from deepstack.serving.server.models import RETRY_S, Models
from deepstack.serving.server.refusal import Refusal
from deepstack.serving.server.version import Version


def publish(folder: Path, number: int) -> None:
    (folder / "net" / str(number)).mkdir(parents=True)
    (folder / "net" / str(number) / "saved_model.pb").touch()


def test_a_version_published_while_another_loads_leaves_no_old_one_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def load(version: Version) -> None:
        version.state = "AVAILABLE"
        if version.number < 5:
            publish(tmp_path, version.number + 1)  # the publisher is always one ahead

    async def unload(version: Version) -> None:
        version.state = "END"

    monkeypatch.setattr(Version, "load", load)
    monkeypatch.setattr(Version, "unload", unload)

    async def serve() -> None:
        models = Models(tmp_path)
        for number in range(1, 6):
            await models.refresh()
            await asyncio.sleep(0)
            assert list(models.loaded["net"]) == [number] == [models.find("net").number]

    publish(tmp_path, 1)
    asyncio.run(serve())


def test_a_version_that_could_not_be_loaded_is_tried_again_when_it_changes_or_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[int] = []

    async def load(version: Version) -> None:
        loads.append(version.number)
        version.state, version.error, version.ended_at = "END", "no memory", time.time()

    monkeypatch.setattr(Version, "load", load)
    publish(tmp_path, 1)
    models = Models(tmp_path)

    def look(expected: int) -> None:
        asyncio.run(models.refresh())
        assert len(loads) == expected

    look(1)
    look(1)
    models.gone["net"][1].ended_at -= RETRY_S + 1.0
    os.utime(tmp_path / "net" / "1" / "saved_model.pb", (0.0, 0.0))
    look(2)
    look(2)
    later = time.time() + 10.0
    os.utime(tmp_path / "net" / "1" / "saved_model.pb", (later, later))
    look(3)


@pytest.mark.parametrize("bad", [2, 99])
def test_processes_that_do_not_start_are_replaced_until_there_were_too_many(
    bad: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[str] = []

    async def start(version: Version, *more: str) -> None:
        starts.extend(more)
        if len(starts) <= bad:
            raise OSError("no memory")

    monkeypatch.setattr(Version, "_start", start)
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    version = Version("net", 1, tmp_path, "AVAILABLE")
    asyncio.run(version._replace())
    assert len(starts) == version.restarts == min(bad + 1, module.RESTARTS)
    assert version.state == ("AVAILABLE" if bad == 2 else "END")
    assert version.error == ("" if bad == 2 else "its process died 6 times in a row, at last: no memory")


def test_an_end_waits_for_what_is_asked_so_long_and_no_longer(tmp_path: Path) -> None:
    async def scene() -> float:
        models, loop = Models(tmp_path), asyncio.get_running_loop()
        for held in (models.loaded, models.gone):
            version = Version("net", 1, tmp_path, "AVAILABLE")
            held["net"] = {1: version}
            version._open = 1  # and nobody ever answers
        models._tasks.add(asyncio.create_task(version.unload()))
        started = loop.time()
        await asyncio.wait_for(models.close(0.2), 5.0)
        assert {models.loaded["net"][1].state, version.state} == {"END"}
        return loop.time() - started

    assert 0.2 <= asyncio.run(scene()) < 2.0


LABELLED = """model_config_list {{ config {{ name: "net" model_version_policy {{ {policy} }}
    version_labels {{ key: "stable" value: {stable} }} }} }}"""


@pytest.mark.parametrize("policy", ["all {}", "latest { num_versions: 1 }"])
def test_a_label_stays_where_it_was_until_its_new_version_answers(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def load(version: Version) -> None:
        content = (version.folder / "saved_model.pb").read_bytes()
        version.state, version.error = ("END", "broken") if content else ("AVAILABLE", "")

    async def unload(version: Version) -> None:
        version.state = "END"

    monkeypatch.setattr(Version, "load", load)
    monkeypatch.setattr(Version, "unload", unload)

    async def serve() -> None:
        models = Models(tmp_path)

        async def stable(number: int) -> int:
            text = LABELLED.format(policy=policy, stable=number)
            (tmp_path / "models.config").write_text(text)
            await models.refresh()
            return models.find("net", label="stable").number

        assert await stable(1) == 1
        publish(tmp_path, 2)
        publish(tmp_path, 3)
        (tmp_path / "net" / "2" / "saved_model.pb").write_bytes(b"nothing")
        for moved in (2, 9):  # does not load; is not there
            assert await stable(moved) == 1 == await stable(moved)
        assert await stable(3) == 3
        assert await stable(1) == 1
        with pytest.raises(Refusal):
            models.find("net", label="canary")

    publish(tmp_path, 1)
    asyncio.run(serve())
