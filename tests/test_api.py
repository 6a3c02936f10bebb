"""The package's front door: every command is one import away, and opening the door loads nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deepstack
from deepstack.cli.app import app

ROOT = Path(__file__).resolve().parents[1]


def in_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_has_its_function() -> None:
    stands_for = {"data": "inspect_files", "features": "make_table", "models": "MODELS"}
    stands_for |= {"audit": "audit_chain", "certify": "null_certificate"}
    commands = [command.name or "" for command in app.registered_commands]
    assert not [name for name in commands if stands_for.get(name, name) not in deepstack.__all__]


def test_every_public_name_is_what_its_home_holds() -> None:
    for name in deepstack.__all__:
        assert getattr(deepstack, name) is not None
    assert deepstack.RunConfig is sys.modules["deepstack.config.run"].RunConfig
    assert set(deepstack.__all__) <= set(dir(deepstack))


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(deepstack.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == deepstack._HOMES
    assert {*seen, "__version__"} == set(deepstack.__all__)


def test_light_names_load_no_tensorflow() -> None:
    names = "read_config, RunConfig, read_market, make_table, latest_row, open_artifact, DeepstackError"
    loaded = in_fresh_process(f"from deepstack import {names}; import sys; print(*sys.modules)").split()
    assert not {"tensorflow", "keras"} & set(loaded)


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'trian'; it has .*\brun\b"):
        deepstack.trian  # noqa: B018
