"""YAML in and out, with the line of every key kept so that an error can point at it."""

import re
from pathlib import Path
from typing import Any

import yaml

from deepstack.errors import ConfigError

KeyPath = tuple[str | int, ...]

MAX_DEPTH = 20
"""Sections and lists inside each other; no config is half as deep."""

# Plain scalars as YAML 1.2 knows them. PyYAML follows YAML 1.1, where 010 is 8, 1:30 is 90, `no` is false and 1e-5 is
# text. A number that begins with a needless 0 means 8 to one reader and 10 to another: it stays text, which a numeric
# key refuses.
_WHOLE = r"(?:0|[1-9][0-9]*)"
_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["", *"~nN"]),
    "bool": (r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    "int": (rf"[-+]?{_WHOLE}", [*"-+0123456789"]),
    "float": (
        rf"[-+]?(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
}


class _Loader(yaml.SafeLoader):
    """Safe loader of plain scalars, lists and mappings; whoever writes a tag such as !!binary or !!int is refused."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, f"a value with the tag {event.tag}", event.start_mark)
        if self.depth == MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_DEPTH} levels", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes what the loader, or one of YAML 1.1, would read as something else."""


_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


def parse_value(text: str, where: str) -> Any:
    """One YAML value, such as the right-hand side of `--set`.

    Raises:
        ConfigError: `text` is not YAML, gives a key twice or uses an alias.
    """
    return _parse(text, where)[0]


def parse_mapping(text: str, path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The mapping a file holds and the line (from 1) of each key and list item in it.

    Raises:
        ConfigError: the text is not YAML, not a mapping, gives a key twice or uses an alias.
    """
    tree, lines = _parse(text, str(path))
    if not isinstance(tree, dict):
        received = "nothing" if tree is None else "a list" if isinstance(tree, list) else "one value"
        raise ConfigError(
            str(path),
            expected="sections such as `training:` with keys below them",
            received=received,
            remedy="to start from a file in configs/",
        )
    return tree, lines


def dump(tree: dict[str, Any]) -> str:
    """YAML text that `parse_mapping` reads back as the same tree."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _parse(text: str, where: str) -> tuple[Any, dict[KeyPath, int]]:
    """The value a document holds (None for an empty one), and the line of each key and list item in it."""
    lines: dict[KeyPath, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _note_lines(node, (), lines, where, set())
        return loader.construct_document(node), lines
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: endless digits, "\UFFFFFFFF"
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(
            where if mark is None else _at(where, mark.line + 1),
            expected="YAML",
            received=f"text that is not ({problem})",
            remedy="to check indentation, colons and brackets there",
        ) from error


def _note_lines(node: yaml.Node, key: KeyPath, lines: dict[KeyPath, int], where: str, seen: set[int]) -> None:
    if isinstance(node, yaml.ScalarNode):
        return
    if id(node) in seen:
        # An alias could make the tree endless or, repeated, enormous; no experiment needs one.
        raise ConfigError(
            _at(where, node.start_mark.line + 1),
            expected="each section written out",
            received="an anchor used through an alias (*)",
            remedy="to write the section in both places",
        )
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*key, index] = item.start_mark.line + 1
            _note_lines(item, (*key, index), lines, where, seen)
        return
    for name, value in node.value:
        line = name.start_mark.line + 1
        if name.tag != "tag:yaml.org,2002:str":
            raise ConfigError(
                _at(where, line),
                expected="a name before each colon",
                received=repr(name.value) if isinstance(name, yaml.ScalarNode) else "a list or section",
                remedy="a key of docs/config.md, or quotes around it",
            )
        child = (*key, name.value)
        if child in lines:
            raise ConfigError(
                _at(where, line),
                expected="each key once",
                received=f"{'.'.join(map(str, child))} again, first given in line {lines[child]}",
                remedy="to delete one of the two",
            )
        lines[child] = line
        _note_lines(value, child, lines, where, seen)


def _at(where: str, line: int) -> str:
    """The place of an error; an override has no lines."""
    return where if where.startswith("--") else f"{where}:{line}"
