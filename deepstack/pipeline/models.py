"""The models of the catalogue with their sizes; `python -m deepstack.pipeline.models > docs/models.md`."""

import dataclasses
import inspect
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deepstack.models.catalogue import MODELS, STEP_MS
from deepstack.models.heads import binary_head
from deepstack.models.inputs import input_shapes
from deepstack.pipeline.plan import count

FEATURES, WINDOW_BARS, TIMEFRAMES = 250, 64, ("5min", "15min")
"""Inputs assumed for the counts."""

STEP_NOTE = "Step: training with batches of 256, windows of 64 bars, 64 features, on 2 CPU cores"

_OPENING = f"""\
# Models

Made by `python -m deepstack.pipeline.models > docs/models.md`; do not edit by hand.

`model.name` of a config names one of these and `model.options` sets its options; one left out takes its default.
Counted layers are those that hold weights of their own, as in an artifact's `<name>_architecture.csv`; parameters
include batch statistics. Both are for the default options, {FEATURES} features (one channel for models that draw),
windows of {WINDOW_BARS} bars and one binary output. Field is how many bars one step of the trunk sees; causal says that
no step sees a later one.
{STEP_NOTE}.
"""


@dataclass(frozen=True)
class ModelRow:
    """One model at its default options.

    Attributes:
        name, summary: of the catalogue.
        layers, parameters: counted layers and all weights.
        sees: `bar`, `window` or `timeframes`.
        receptive_field: bars that one step of the trunk sees; None is the whole window.
        causal: whether no step of the trunk sees a later one.
        step_ms: milliseconds of a training step, see `STEP_NOTE`; None for a model that was not measured.
    """

    name: str
    summary: str
    layers: int
    parameters: int
    sees: str
    receptive_field: int | None
    causal: bool
    step_ms: float | None


def model_rows() -> Iterator[ModelRow]:
    """Every model of the catalogue, by name; none is given memory for its weights."""
    step_ms = json.loads(STEP_MS.read_text(encoding="utf-8"))
    for name, model in sorted(MODELS.items()):
        timeframes = TIMEFRAMES if model.sees == "timeframes" else ()
        columns = 1 if model.scales_windows else FEATURES
        shapes = input_shapes(model.sees, columns, WINDOW_BARS, timeframes, when=model.when)
        layers, parameters = count(name, shapes, binary_head(), {})
        field = model.receptive_field(model.config()) if model.receptive_field else None
        field = 1 if model.sees == "bar" else field
        causal = model.causal is not None
        yield ModelRow(name, model.summary, layers, parameters, model.sees, field, causal, step_ms.get(name))


def render(rows: Iterable[ModelRow]) -> str:
    """The page of models as Markdown, from the rows of all."""
    parts = [_OPENING, "| model | layers | parameters | sees | field | causal | step ms | what it is |"]
    parts.append("|---|---:|---:|---|---:|---|---:|---|")
    parts += [
        f"| `{row.name}` | {row.layers:,} | {row.parameters:,} | {row.sees} | {row.receptive_field or 'all'} | "
        f"{'yes' if row.causal else ''} | {row.step_ms or ''} | {row.summary} |"
        for row in rows
    ]
    for name, model in sorted(MODELS.items()):
        described = _described(model.config)
        parts += [f"\n## `{name}`\n", "| option | default | meaning |", "|---|---|---|"]
        for field in dataclasses.fields(model.config):
            parts.append(f"| `{field.name}` | `{_yaml(_default(field))}` | {described.get(field.name, '')} |")
    return "\n".join(parts) + "\n"


def _described(config: type) -> dict[str, str]:
    """Option → meaning, from the `Attributes:` of the docstrings of the dataclass and of those it extends."""
    described: dict[str, str] = {}
    for one in reversed(config.__mro__):
        block = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")[2]
        entries = re.findall(r"^    (\w+): (.+(?:\n        .+)*)", block, flags=re.MULTILINE)
        described |= {name: " ".join(meaning.split()).rstrip(".") for name, meaning in entries}
    return described


def _default(field: dataclasses.Field[Any]) -> object:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _yaml(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    print(render(model_rows()), end="")
