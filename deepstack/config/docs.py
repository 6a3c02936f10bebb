"""`python -m deepstack.config.docs > docs/config.md`: every key, what it takes, its default and its meaning."""

import json
from collections.abc import Iterator
from typing import Any

from deepstack.config._room import Room
from deepstack.config.describe import inner_room, keys
from deepstack.config.run import RunConfig

_OPENING = """\
# Config keys

Made by `python -m deepstack.config.docs > docs/config.md`; do not edit by hand.

A config is a YAML file with the sections below; a key left out takes its default, an unknown key is an error. On the
command line `--set training.epochs=3` sets one key (the value is YAML) and `--data PATH` sets `data.paths`. Paths are
relative to the folder the command is run in. `model.options` are those of the model's builder, which checks them.
"""


def render() -> str:
    """The whole page as Markdown."""
    return "\n".join([_OPENING, *_sections(RunConfig, "")])


def _sections(room: type[Room], prefix: str) -> Iterator[str]:
    title = f"`{prefix.rstrip('.')}`" if prefix else "Top level"
    yield f"## {title}\n\n{(room.__doc__ or '').strip()}\n"
    yield "| key | takes | default | meaning |\n|---|---|---|---|"
    for key in keys(room, prefix):
        if "." not in key.name.removeprefix(prefix):
            cells = (f"`{key.name}`", key.accepts, f"`{_yaml_value(key.default)}`", key.description)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    for name, field in room.model_fields.items():
        inner = inner_room(field)
        if inner is not None:
            yield from _sections(inner, f"{prefix}{name}.")


def _yaml_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    print(render(), end="")
