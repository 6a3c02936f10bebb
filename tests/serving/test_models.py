"""Which versions are loaded and let go, without processes."""

import asyncio
from pathlib import Path

import pytest

from deepstack.serving.server.models import Models
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
