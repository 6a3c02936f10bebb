"""From a YAML file, `--set` and `--data` to one frozen config, or to one line that says what is wrong where."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deepstack.config import _yaml
from deepstack.config._translate import translate
from deepstack.config._yaml import KeyPath
from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError


def read_config(path: Path | str | None, overrides: Sequence[str] = (), data: Sequence[Path] = ()) -> RunConfig:
    """The config a file holds, after its overrides.

    Args:
        path: YAML file, keys left out take their defaults; None means every default.
        overrides: `section.key=value`, the value in YAML, applied in order after the file. A list or section replaces
            what the file gives.
        data: candle files or folders; when given, they replace `data.paths`.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or given twice, or a value is out of range; the message
            names file and line or the override. Options of the model are checked later, by its builder.
    """
    file = None if path is None else Path(path)
    tree, lines = ({}, {}) if file is None else _yaml.parse_mapping(_read_text(file), file)
    given = {key: (f"{path}:{line}", line) for key, line in lines.items()}
    for rank, override in enumerate(overrides):
        key = _apply(override, tree)
        given = {known: place for known, place in given.items() if known[: len(key)] != key}
        given[key] = (f"--set {override}", 1_000_000 + rank)
    if data:
        _put(tree, ("data", "paths"), [str(item) for item in data])
        given["data", "paths"] = ("--data", 2_000_000)
    return _validate(tree, str(path or "the default config"), given)


def config_from_tree(tree: Mapping[str, Any], where: str) -> RunConfig:
    """The config that `RunConfig.model_dump(mode="json")` gave, as manifests keep it.

    Raises:
        ConfigError: it does not fit this version's keys and ranges; the message starts with `where`.
    """
    return _validate(tree, where, {})


def dump_config(config: RunConfig) -> str:
    """YAML text with every key written out; `read_config` reads it back as an equal config."""
    return _yaml.dump(config.model_dump(mode="json"))


def first_difference(stored: RunConfig, given: RunConfig) -> str | None:
    """The first key in which two configs differ, with both values; None when they are equal."""
    ours, theirs = _flat(stored.model_dump(mode="json")), _flat(given.model_dump(mode="json"))
    for key in (*ours, *(key for key in theirs if key not in ours)):
        if ours.get(key) != theirs.get(key):
            return f"{key} {ours.get(key)!r} there and {theirs.get(key)!r} here"
    return None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            str(path),
            expected="a readable config file",
            received=str(error.strerror),
            remedy="one of the files in configs/",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            str(path), expected="UTF-8 text", received=f"byte {error.start} that is not", remedy="to save it as UTF-8"
        ) from error


def _apply(override: str, tree: dict[str, Any]) -> tuple[str, ...]:
    name, sign, text = override.partition("=")
    key = tuple(part.strip() for part in name.split("."))
    if not sign or not all(key):
        raise ConfigError(
            f"--set {override}", expected="section.key=value", received=repr(override), remedy="--set training.epochs=3"
        )
    _put(tree, key, _yaml.parse_value(text, f"--set {override}"))
    return key


def _put(tree: dict[str, Any], key: Sequence[str], value: Any) -> None:
    for part in key[:-1]:
        if not isinstance(tree.get(part), dict):
            tree[part] = {}
        tree = tree[part]
    tree[key[-1]] = value


def _validate(tree: Mapping[str, Any], where: str, given: Mapping[KeyPath, tuple[str, int]]) -> RunConfig:
    def locate(key: KeyPath) -> tuple[str, int]:
        for length in range(len(key), 0, -1):
            if key[:length] in given:
                return given[key[:length]]
        below = [place for known, place in given.items() if known[: len(key)] == key]
        return min(below, key=lambda place: place[1], default=(where, 0))

    try:
        # Strict, so that `epochs: true` is not taken for 1; through JSON, where strict still takes a list for a tuple.
        return RunConfig.model_validate_json(json.dumps(tree, default=repr), strict=True)
    except ValidationError as error:
        raise translate(error, RunConfig, locate) from error


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
