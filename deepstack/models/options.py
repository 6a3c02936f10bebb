"""Checks that every builder's options share, and the reading of a config's options into a builder's dataclass."""

import dataclasses
import difflib
import types
import typing
from typing import Any

from deepstack.errors import ConfigError

T = typing.TypeVar("T")


def positive(config: Any, *names: str) -> None:
    """Refuse options that are not positive; a tuple must be non-empty and positive throughout.

    Raises:
        ValueError: names the option and the value.
    """
    for name in names:
        value = getattr(config, name)
        values = value if isinstance(value, tuple) else (value,)
        if not values or any(not v > 0 for v in values):
            raise ValueError(f"{name}: expected positive, received {value}")


def between(config: Any, low: float, high: float, *names: str) -> None:
    """Refuse options outside [low, high).

    Raises:
        ValueError: names the option and the value.
    """
    for name in names:
        value = getattr(config, name)
        if not low <= value < high:
            raise ValueError(f"{name}: expected at least {low:g} and below {high:g}, received {value}")


def read_options(kind: type[T], options: dict[str, Any], where: str = "model.options") -> T:
    """A builder's frozen dataclass from the options of a config.

    Raises:
        ConfigError: an unknown option (with the nearest known one), a wrong type, or a value the builder refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 1)
            known = f"`{near[0]}`" if near else f"one of {', '.join(fields)}"
            raise ConfigError(f"{where}.{name}", expected="a known option", received=repr(name), remedy=known)
        values[name] = _cast(value, hints[name], f"{where}.{name}")
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(
            where, expected="values the model can be built with", received=str(error), remedy="changing that option"
        ) from error


def _cast(value: Any, hint: Any, where: str) -> Any:
    """`value` as `hint`, a scalar, a choice, a tuple of one, or a union of scalars; lists become tuples."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        if value in typing.get_args(hint):
            return value
        choices = ", ".join(map(str, typing.get_args(hint)))
        raise ConfigError(where, expected=f"one of {choices}", received=repr(value), remedy="one of these")
    if origin is dict and isinstance(value, dict):
        return dict(value)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_cast(v, typing.get_args(hint)[0], where) for v in value)
    kinds = typing.get_args(hint) if origin in (typing.Union, types.UnionType) else (hint,)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if any(type(value) is k for k in kinds if isinstance(k, type)):
        return value
    raise ConfigError(where, expected=_words(hint), received=repr(value), remedy="such a value")


def _words(hint: Any) -> str:
    """A type as a reader of configs knows it."""
    plain = {int: "an integer", float: "a number", str: "text", bool: "true or false", types.NoneType: "null"}
    origin = typing.get_origin(hint)
    if origin is tuple:
        return f"a list, each {_words(typing.get_args(hint)[0])}"
    if origin is dict:
        return "a section of keys and values"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_words, typing.get_args(hint)))
    return plain.get(hint, str(getattr(hint, "__name__", hint)))
