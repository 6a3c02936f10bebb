"""Training what a config asks for: one network, or the members of an ensemble and what combines them."""

from dataclasses import replace
from pathlib import Path

from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError
from deepstack.models import catalogue
from deepstack.models.ensemble.ensemble import require_members
from deepstack.models.heads import head_of
from deepstack.models.inputs import BASE
from deepstack.models.options import read_options
from deepstack.pipeline.member import ensemble_of, of_member
from deepstack.pipeline.samples import Slices
from deepstack.pipeline.settle_members import trained_as_one
from deepstack.pipeline.train_members import apart, require_cycles, train_members
from deepstack.pipeline.train_network import train_network
from deepstack.progress import Progress, no_progress
from deepstack.samples.augment import make_augment
from deepstack.training.fit import FitResult
from deepstack.training.warm import Warm


def check(config: RunConfig) -> None:
    """Refuse, before any work, what the model of a config cannot be given; timeframes are checked with the bars.

    Raises:
        ConfigError: unknown model or option, a head that does not fit the labels, a transform that does not fit.
    """
    entry = catalogue.line_of(config.model)
    head = head_of(config.labels, config.model)
    read_options(entry.config, config.model.options)
    alone = [config]
    ensemble = ensemble_of(config)
    if ensemble is not None:
        require_members(ensemble, head)
        require_cycles(ensemble, config.training)
        alone = [of_member(config, model) for model in ensemble.models]
    for one in alone:
        _require_file(one)
    for one in alone if apart(config) else [config]:
        line = catalogue.line_of(one.model)
        make_augment(config.samples.augment, windows=line.sees != "bar", dated=line.when)
    if entry.scales_windows and not config.features.names:
        raise ConfigError(
            "features.names", expected="the channels it sees", received="none", remedy="features.names=[close]"
        )
    if config.samples.images is not None and entry.draws is None:
        raise ConfigError(
            "samples.images",
            expected="none for a model that draws no images",
            received=config.samples.images,
            remedy="model.name=gaf_resnet18",
        )
    if config.samples.images is not None and config.samples.augment.transforms:
        raise ConfigError(
            "samples.augment.transforms",
            expected="none with stored images, which cannot be varied any more",
            received=", ".join(config.samples.augment.transforms),
            remedy="leaving samples.images out",
        )


def _require_file(config: RunConfig) -> None:
    """Read the weights a model starts from, where there is a file of them."""
    entry = catalogue.line_of(config.model)
    if entry.pretrained is not None:
        entry.pretrained({BASE: (1, 1)}, read_options(entry.config, config.model.options))


def train(
    config: RunConfig,
    parts: Slices,
    folder: Path,
    *,
    resume: bool = False,
    progress: Progress = no_progress,
    warm: Warm | None = None,
) -> FitResult:
    """Train on the training slice, stop by the validation slice.

    Args:
        config: the run.
        parts: its samples.
        folder: gets training.csv and checkpoints.
        resume: go on from those checkpoints.
        progress: told of every step.
        warm: compiled steps of earlier trainings, for one network; the result then shares its model with them.
    """
    if apart(config):
        return train_members(config, parts, folder, resume=resume, progress=progress)
    fitted = train_network(config, parts, folder, resume=resume, progress=progress, warm=warm)
    if config.model.name != "ensemble":
        return fitted
    return replace(fitted, facts={**fitted.facts, **trained_as_one(fitted.model, config, parts)})
