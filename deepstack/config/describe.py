"""What a config key accepts, in words: the same words in error messages and in the documentation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from deepstack.config._room import Room

_BOUNDS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))


@dataclass(frozen=True)
class Key:
    """One key of a config file.

    Attributes:
        name: dotted: `training.epochs`.
        accepts: what it takes, in words: `an integer >= 1`.
        default: the value when the key is left out.
        description: what it means; may be empty.
    """

    name: str
    accepts: str
    default: Any
    description: str


def keys(room: type[Room], prefix: str = "") -> Iterator[Key]:
    """Every key of a room and of the rooms inside it, in the order they are declared."""
    for name, field in room.model_fields.items():
        inner = inner_room(field)
        if inner is not None:
            yield from keys(inner, f"{prefix}{name}.")
        else:
            default = field.get_default(call_default_factory=True)
            yield Key(f"{prefix}{name}", accepts(field), default, field.description or "")


def inner_room(field: FieldInfo) -> type[Room] | None:
    """The room a key opens, or None for a key that holds a value."""
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Room) else None


def accepts(field: FieldInfo) -> str:
    """What a key takes, in words, with its bounds."""
    inner = inner_room(field)
    if inner is not None:
        return "a section of keys and values"
    pattern = next((rule.pattern for rule in field.metadata if getattr(rule, "pattern", None)), None)
    words = _words(field.annotation, _limits(field.metadata), pattern)
    return f"{words}, not empty" if any(getattr(rule, "min_length", None) for rule in field.metadata) else words


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The words a key may be set to, where it takes a fixed set of them, alone or in a list."""
    return tuple(_literals(field.annotation))


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (str(choice) for choice in get_args(annotation))
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _limits(rules: Iterable[Any]) -> str:
    """`>= 1 and < 10` from the rules that stand beside a type."""
    flat = [inner for rule in rules for inner in (rule.metadata if isinstance(rule, FieldInfo) else [rule])]
    return " and ".join(
        f"{sign} {getattr(rule, name):.10g}"
        for rule in flat
        for name, sign in _BOUNDS
        if getattr(rule, name, None) is not None
    )


def _words(annotation: Any, bounds: str, pattern: str | None) -> str:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_words(part, bounds, pattern) for part in get_args(annotation))
    if origin is Annotated:
        plain_type, *rules = get_args(annotation)
        return _words(plain_type, _limits(rules), pattern)
    if origin is Literal:
        options = [str(option) for option in get_args(annotation)]
        return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
    if origin is tuple:
        item = _words(get_args(annotation)[0], "", None)
        return f"a list of {item if item == 'text' else f'values, each {item}'}"
    if origin is dict or annotation is dict:
        return "a section of keys and values"
    plain = {bool: "true or false", str: "text", NoneType: "null", int: "an integer", float: "a finite number"}
    words = plain.get(annotation, "any value")
    if annotation in (int, float) and bounds:
        return f"{words} {bounds}"
    return f"{words} matching {pattern}" if annotation is str and pattern else words
