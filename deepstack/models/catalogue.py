"""Which models exist: name → builder, options, and what a plan needs to know of it."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from deepstack.errors import ConfigError
from deepstack.models.heads import HEADS
from deepstack.models.options import read_options
from deepstack.models.sequential import network as sequential
from deepstack.models.ultimate import network as ultimate


@dataclass(frozen=True)
class Model:
    """A catalogue line.

    Attributes:
        summary: one line for `deepstack models`.
        build: `(inputs, head, config) -> keras.Model`.
        config: the builder's frozen options dataclass.
        bytes_per_sample: options → activation bytes a sample of a training step.
        flops_per_sample: (features, options) → operations a sample of a forward pass.
        depth: options → repeated blocks.
        at_depth: (options, blocks) → the options of a shallower or deeper copy.
        keep_everything: options → the options without rematerialisation.
    """

    summary: str
    build: Callable[..., keras.Model]
    config: type
    bytes_per_sample: Callable[[Any], float]
    flops_per_sample: Callable[[int, Any], float]
    depth: Callable[[Any], int]
    at_depth: Callable[[Any, int], Any]
    keep_everything: Callable[[Any], Any]


def _model(module: Any, config: type, summary: str) -> Model:
    functions = (getattr(module, field.name) for field in dataclasses.fields(Model)[3:])
    return Model(summary, module.build, config, *functions)


MODELS: dict[str, Model] = {
    "ultimate": _model(
        ultimate, ultimate.UltimateConfig, "residual stack of any depth + dense units + feature attention"
    ),
    "sequential": _model(sequential, sequential.SequentialConfig, "plain deep net without skips, for comparison"),
}


def find(name: str) -> Model:
    """The catalogue line of a name.

    Raises:
        ConfigError: no such model; says which is nearest.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, 1)
        remedy = f"`{near[0]}`" if near else f"one of {', '.join(MODELS)}"
        raise ConfigError("model.name", expected="a model of the catalogue", received=repr(name), remedy=remedy)
    return MODELS[name]


def build(
    name: str, inputs: Mapping[str, tuple[int, ...]], head: str = "binary", options: Mapping[str, Any] | None = None
) -> keras.Model:
    """Build a model by name.

    Args:
        name: as printed by `deepstack models`.
        inputs: name → shape without the batch axis.
        head: `binary`.
        options: the builder's options.

    Raises:
        ConfigError: unknown name, head or option, or a value the builder refuses.
    """
    model = find(name)
    if head not in HEADS:
        raise ConfigError("head", expected="a head", received=repr(head), remedy=f"one of {', '.join(HEADS)}")
    return model.build(inputs, HEADS[head](), read_options(model.config, dict(options or {})))
