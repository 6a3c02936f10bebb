"""What pydantic found wrong with a config, said in one line a user can act on."""

import difflib
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from deepstack.config._room import Room
from deepstack.config._yaml import KeyPath
from deepstack.config.describe import accepts, choices, inner_room, keys
from deepstack.errors import ConfigError

Locate = Callable[[KeyPath], tuple[str, int]]
"""Key path → (where it was given, rank of that place): the problem given first is told first."""


def translate(error: ValidationError, room: type[Room], locate: Locate) -> ConfigError:
    """The first problem, with the count of the others."""
    problems: dict[KeyPath, dict[str, Any]] = {}
    for problem in error.errors(include_url=False):
        # The members of a union each complain about the same key: one problem to its user.
        problems.setdefault(_key_of(room, problem), dict(problem))
    key = min(problems, key=lambda path: locate(path)[1])
    others = len(problems) - 1
    more = "" if others == 0 else f" ({others} more problem{'s' if others > 1 else ''} in this config)"
    expected, received, remedy = _say(problems[key], key, room)
    return ConfigError(f"{locate(key)[0]}: {dotted(key)}", expected=expected, received=received, remedy=remedy + more)


def dotted(key: KeyPath) -> str:
    """`("evaluation", "baselines", 1)` → `evaluation.baselines[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".") or "the config"


def _key_of(room: type[Room], problem: Any) -> KeyPath:
    """The problem's location up to the key it concerns, without pydantic's names for the members of a union."""
    here: type[Room] | None = room
    key: list[str | int] = []
    for part in problem["loc"]:
        if here is not None:
            field = here.model_fields.get(str(part))
            here = None if field is None else inner_room(field)
            key.append(part)
        elif isinstance(part, int):
            key.append(part)
        else:
            break
    return tuple(key)


def _field(room: type[Room], key: KeyPath) -> tuple[type[Room], FieldInfo | None]:
    """The innermost room on the way to a key, and the key's field there (None for an unknown key or a whole room)."""
    field = None
    for part in key:
        if isinstance(part, int):
            break
        if field is not None:
            inner = inner_room(field)
            if inner is None:
                break
            room = inner
        field = room.model_fields.get(part)
    return room, field


def _say(problem: dict[str, Any], key: KeyPath, root: type[Room]) -> tuple[str, str, str]:
    room, field = _field(root, key)
    if problem["type"] == "extra_forbidden":
        section = dotted(key[:-1])
        return f"a key of {section}", repr(key[-1]), _other_name(key, room, root)
    if problem["type"] == "value_error":
        rule, _, received = str(problem["ctx"]["error"]).partition(", received ")
        return (
            rule,
            received or repr(problem["input"]),
            "to change one of the values (docs/config.md tells what each means)",
        )
    if field is None:
        return "sections such as `training:`", _shorten(problem["input"]), "to start from a file in configs/"
    return accepts(field), _shorten(problem["input"]), _other_value(problem["input"], field)


def _other_name(key: KeyPath, room: type[Room], root: type[Room]) -> str:
    name = str(key[-1])
    prefix = ".".join(map(str, key[:-1]))
    near = difflib.get_close_matches(name, room.model_fields, n=1)
    known = [known.name for known in keys(root)]
    if near:
        guess = f"{prefix}.{near[0]}".lstrip(".")
    else:
        elsewhere = [k for k in known if k.rpartition(".")[2] == name] or difflib.get_close_matches(
            f"{prefix}.{name}".lstrip("."), known, n=1
        )
        if not elsewhere:
            return f"one of {', '.join(room.model_fields)}"
        guess = elsewhere[0]
    return f"another name: did you mean {guess}?"


def _other_value(value: Any, field: FieldInfo) -> str:
    near = difflib.get_close_matches(str(value), choices(field), n=1)
    if near:
        return f"{near[0]!r}: did you mean that?"
    inner = inner_room(field)
    if inner is not None:
        return f"keys such as {next(iter(inner.model_fields))}, indented below it"
    default = field.get_default(call_default_factory=True)
    shown = list(default) if isinstance(default, tuple) else default
    return f"the default, {shown!r} (docs/config.md lists every key)"


def _shorten(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
