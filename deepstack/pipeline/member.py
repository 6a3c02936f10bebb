"""One member of an ensemble: the config it would have by itself, and its samples."""

from dataclasses import replace

from deepstack.config.model import ModelConfig
from deepstack.config.run import RunConfig
from deepstack.models import catalogue
from deepstack.models.ensemble.ensemble import EnsembleConfig
from deepstack.models.inputs import BASE, inputs_of
from deepstack.models.options import read_options
from deepstack.pipeline.samples import Slices
from deepstack.samples.windows import Windows


def ensemble_of(config: RunConfig) -> EnsembleConfig | None:
    """The options of an ensemble; None for any other model."""
    return read_options(EnsembleConfig, config.model.options) if config.model.name == "ensemble" else None


def seed_of_copy(seed: int, copy: int) -> int:
    """The seed of a member's copy; the first has the run's."""
    return (seed + 1000 * copy) % 2**31


def of_member(config: RunConfig, model: str) -> RunConfig:
    """An ensemble's config with a member for its model."""
    options: EnsembleConfig = read_options(EnsembleConfig, config.model.options)
    own = ModelConfig(name=model, head=config.model.head, options=options.options.get(model, {}))
    return config.model_copy(update={"model": own})


def seen_by(entry: catalogue.Model, parts: Slices) -> Slices:
    """The ensemble's samples as a member of that catalogue line sees them: what it looks at, or the newest bars."""
    inputs = {name: parts.inputs[name] for name in inputs_of(parts.inputs, entry.sees, when=entry.when)}
    windows = inputs[BASE]
    if entry.sees == "bar" and isinstance(windows, Windows):
        inputs[BASE] = windows.values[windows.last]
    return replace(parts, inputs=inputs)
