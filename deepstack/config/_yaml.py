"""YAML in and out, with the line of every key kept so that an error can point at it."""

import re
from pathlib import Path
from typing import Any

import yaml

from deepstack.errors import ConfigError

KeyPath = tuple[str | int, ...]

# PyYAML follows YAML 1.1, where 1e-5 is text; YAML 1.2 and every reader of a config take it for a number.
_SCIENTIFIC = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """Safe loader without dates, which no key of a config holds."""


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes what the loader would read as something else."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _SCIENTIFIC, list("-+0123456789."))


def parse_value(text: str, where: str) -> Any:
    """One YAML value, such as the right-hand side of `--set`.

    Raises:
        ConfigError: `text` is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _not_yaml(error, where) from error


def parse_mapping(text: str, path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The mapping a file holds and the line (from 1) of each key and list item in it.

    Raises:
        ConfigError: the text is not YAML, not a mapping, gives a key twice or uses an alias.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            received = "nothing" if node is None else "a list" if isinstance(node, yaml.SequenceNode) else "one value"
            raise ConfigError(
                str(path),
                expected="sections such as `training:` with keys below them",
                received=received,
                remedy="to start from a file in configs/",
            )
        lines: dict[KeyPath, int] = {}
        _note_lines(node, (), lines, path, set())
        return loader.construct_document(node), lines
    except yaml.YAMLError as error:
        raise _not_yaml(error, str(path)) from error
    finally:
        loader.dispose()


def dump(tree: dict[str, Any]) -> str:
    """YAML text that `parse_mapping` reads back as the same tree."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _note_lines(node: yaml.Node, key: KeyPath, lines: dict[KeyPath, int], path: Path, seen: set[int]) -> None:
    if isinstance(node, yaml.ScalarNode):
        return
    if id(node) in seen:
        # An alias could make the tree endless or, repeated, enormous; no experiment needs one.
        raise ConfigError(
            f"{path}:{node.start_mark.line + 1}",
            expected="each section written out",
            received="an anchor used through an alias (*)",
            remedy="to write the section in both places",
        )
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*key, index] = item.start_mark.line + 1
            _note_lines(item, (*key, index), lines, path, seen)
        return
    for name, value in node.value:
        line, child = name.start_mark.line + 1, (*key, str(name.value))
        if child in lines:
            raise ConfigError(
                f"{path}:{line}",
                expected="each key once",
                received=f"{'.'.join(map(str, child))} again, first given in line {lines[child]}",
                remedy="to delete one of the two lines",
            )
        lines[child] = line
        _note_lines(value, child, lines, path, seen)


def _not_yaml(error: yaml.YAMLError, where: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return ConfigError(
        f"{where}:{mark.line + 1}" if mark is not None and not where.startswith("--") else where,
        expected="YAML",
        received=f"text that is not ({problem})",
        remedy="to check indentation, colons and brackets there",
    )
