"""A quiet start hides TensorFlow's greetings and nothing else."""

import os

import pytest

from deepstack.cli.quiet import quiet_import


def test_native_lines_are_held_back_inside_the_block_only(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before\n")
    with quiet_import():
        os.write(2, b"greeting\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_a_failing_import_shows_everything(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImportError), quiet_import():
        os.write(2, b"libfoo.so.2: cannot open\n")
        raise ImportError("libfoo")
    assert "libfoo.so.2: cannot open" in capfd.readouterr().err


def test_debug_holds_nothing_back(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSTACK_DEBUG", "1")
    with quiet_import():
        os.write(2, b"greeting\n")
    assert capfd.readouterr().err == "greeting\n"
