"""A plan that no memory of this machine can hold is refused; one that fits, or is shared out, is not."""

from pathlib import Path

import pytest

from deepstack.errors import ConfigError
from deepstack.pipeline import memory
from deepstack.pipeline.memory import machine_memory_mb, require_memory


def test_a_plan_beyond_the_machine_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(memory, "machine_memory_mb", lambda: 8000.0)
    require_memory(8000.0)
    with pytest.raises(ConfigError, match=r"8\.0 GB of this machine.*needs 12\.5 GB.*smaller"):
        require_memory(12_500.0)
    monkeypatch.setenv("TF_CONFIG", "{}")
    require_memory(12_500.0)


@pytest.mark.parametrize(("text", "limited"), [("1000000000\n", True), ("max\n", False), (None, False)])
def test_a_container_has_what_it_is_given(
    text: str | None, limited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CONTAINER_LIMIT", tmp_path / "absent")
    whole = machine_memory_mb()
    if text is not None:
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(memory, "_CONTAINER_LIMIT", tmp_path / "memory.max")
    assert whole > 100.0
    assert machine_memory_mb() == (min(1000.0, whole) if limited else whole)
