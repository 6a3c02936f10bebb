"""A line of the catalogue of models, and what it says of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from deepstack.gramian import Drawing
from deepstack.models.inputs import Sees


@dataclass(frozen=True)
class Cost:
    """What a plan needs to know of a model of any depth, whose full size it will not try out.

    Attributes:
        bytes_per_sample: options → activation bytes a sample of a training step.
        flops_per_sample: (features, options) → operations a sample of a forward pass.
        depth: options → repeated blocks.
        at_depth: (options, blocks) → the options of a shallower or deeper copy.
        keep_everything: options → the options without rematerialisation.
    """

    bytes_per_sample: Callable[[Any], float]
    flops_per_sample: Callable[[int, Any], float]
    depth: Callable[[Any], int]
    at_depth: Callable[[Any, int], Any]
    keep_everything: Callable[[Any], Any]


@dataclass(frozen=True)
class Model:
    """A catalogue line.

    Attributes:
        summary: one line for `deepstack models`.
        build: `(inputs, head, config) -> keras.Model`, inputs as `input_shapes` names them.
        config: the builder's frozen options dataclass.
        sees: what it looks at.
        when: whether it asks for the time of the decision too.
        causal: layer whose output `[batch, time, units]` at t depends on inputs up to t alone; None claims nothing.
        receptive_field: options → bars that one step of its trunk sees; None means the whole window.
        explains: name → layer whose output, attention weights or a gate, tells how an answer came about.
        generator: `(inputs, config) -> keras.Model` that is trained first and shares layers by name; its output is its
            loss, `[batch, 1]`.
        pretrained: `(inputs, config) -> layer name → weights` that the model starts from, read from a file that the
            options name; empty without.
        draws: options → how it draws a window before anything else; such a model takes stored images too.
        cost: of a model of any depth; the others are measured as they are.
        scales_windows: whether it scales every window by itself, so that its inputs reach it as they are.
        with_options: (this line, options) → the line as options make it: what an ensemble looks at is what its members
            look at.
        xla: whether XLA makes its training step faster on a CPU (benchmarks/models.py).
    """

    summary: str
    build: Callable[..., keras.Model]
    config: type
    sees: Sees
    when: bool = False
    causal: str | None = None
    receptive_field: Callable[[Any], int | None] | None = None
    explains: Mapping[str, str] = field(default_factory=dict)
    generator: Callable[..., keras.Model] | None = None
    pretrained: Callable[[Any, Any], Mapping[str, list[Any]]] | None = None
    draws: Callable[[Any], Drawing] | None = None
    cost: Cost | None = None
    scales_windows: bool = False
    with_options: Callable[["Model", Any], "Model"] | None = None
    xla: bool = False
