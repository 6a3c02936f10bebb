"""The models of the catalogue with their sizes; `python -m deepstack.pipeline.models > docs/models.md`."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from deepstack.models.catalogue import MODELS
from deepstack.pipeline.plan import count

FEATURES = 250
"""Inputs assumed for the counts."""

_OPENING = f"""\
# Models

Made by `python -m deepstack.pipeline.models > docs/models.md`; do not edit by hand.

`model.name` of a config names one of these and `model.options` sets its options; one left out takes its default.
Counted layers are dense and normalisation layers, as in an artifact's `<name>_architecture.csv`; parameters include
batch statistics. Both are for the default options, {FEATURES} features and one binary output.
"""


@dataclass(frozen=True)
class ModelRow:
    """One model: catalogue name, summary, counted layers and parameters at the default options."""

    name: str
    summary: str
    layers: int
    parameters: int


def model_rows() -> Iterator[ModelRow]:
    """Every model of the catalogue, by name; none is given memory for its weights."""
    for name, model in sorted(MODELS.items()):
        layers, parameters = count(name, {}, FEATURES)
        yield ModelRow(name, model.summary, layers, parameters)


def render() -> str:
    """The page of models as Markdown."""
    parts = [_OPENING, "| model | layers | parameters | what it is |", "|---|---:|---:|---|"]
    parts += [f"| `{row.name}` | {row.layers:,} | {row.parameters:,} | {row.summary} |" for row in model_rows()]
    for name, model in sorted(MODELS.items()):
        described = _described(model.config)
        parts += [f"\n## `{name}`\n", "| option | default | meaning |", "|---|---|---|"]
        for field in dataclasses.fields(model.config):
            parts.append(f"| `{field.name}` | `{_yaml(field.default)}` | {described.get(field.name, '')} |")
    return "\n".join(parts) + "\n"


def _described(config: type) -> dict[str, str]:
    """Option → meaning, from the `Attributes:` of the dataclass's docstring."""
    block = inspect.cleandoc(config.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.+(?:\n        .+)*)", block, flags=re.MULTILINE)
    return {name: " ".join(meaning.split()).rstrip(".") for name, meaning in entries}


def _yaml(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    print(render(), end="")
