"""What a network has before its training begins: layers that have foreseen bars, or come from a file; a memory."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from deepstack.config.run import RunConfig
from deepstack.models import catalogue
from deepstack.models.ensemble.ensemble import line_of_member
from deepstack.models.heads import head_of
from deepstack.models.memory.episodic_memory import RECALL
from deepstack.models.options import read_options
from deepstack.pipeline.episodes import refresher
from deepstack.pipeline.inputs import seconds_since_2000
from deepstack.pipeline.member import ensemble_of, of_member, seed_of_copy, seen_by
from deepstack.pipeline.pretrain import LayerWeights, pretrain
from deepstack.pipeline.samples import Slices
from deepstack.progress import Progress
from deepstack.training.losses import cross_entropy

WHOLE = ""
"""Name of the part that is the network itself."""

Begun = Mapping[str, LayerWeights]
"""Part → weights of its layers."""
BeforeEpoch = Callable[[keras.Model, int], None]


def begin_with(config: RunConfig, parts: Slices, folder: Path, *, resume: bool, progress: Progress) -> Begun:
    """What the parts of a network begin with; a generative model learns to foresee bars first.

    Args:
        config: of one network, or of an ensemble whose members are trained as one.
        parts: its samples.
        folder: the run's; `pretraining/` in it, in a folder for each member, gets checkpoints.
        resume: go on from those checkpoints.
    """
    found: dict[str, LayerWeights] = {}
    for name, own, seen in _parts(config, parts):
        entry = catalogue.line_of(own.model)
        options: Any = read_options(entry.config, own.model.options)
        weights: dict[str, list[Any]] = {}
        if entry.generator is not None:
            weights |= pretrain(entry, options, seen, own, folder / name, resume=resume, progress=progress)
        if entry.pretrained is not None:
            weights |= entry.pretrained(seen.shapes, options)
        found[name] = weights
    return found


def beginning(build: Callable[[], keras.Model], weights: Begun) -> keras.Model:
    """What `build` makes, the named layers of its parts beginning with these weights."""
    network = build()
    for name, of_layer in weights.items():
        with_weights(part_of(network, name), of_layer)
    return network


def with_weights(model: keras.Model, weights: LayerWeights) -> keras.Model:
    """The model, its layers of those names starting from these weights."""
    for layer in model.layers:
        if weights.get(layer.name):
            layer.set_weights(weights[layer.name])
    return model


def memories(config: RunConfig, parts: Slices) -> BeforeEpoch | None:
    """What fills the episodic memories of a network before each epoch; None without any."""
    found = {}
    for name, own, seen in _parts(config, parts):
        if catalogue.line_of(own.model).when:
            head = head_of(config.labels, config.model)
            train = seen.samples(seen.split.train)
            ends = seconds_since_2000(seen.frame(seen.split.train)["end_time"])[:, 0]
            found[name] = refresher(train, ends, head, cross_entropy(head), own.seed)

    def refresh(network: keras.Model, epoch: int) -> None:
        for name, one in found.items():
            part = part_of(network, name)
            if any(layer.name == RECALL for layer in part.layers):  # a model may ask for the time for another reason
                one(part, epoch)

    return refresh if found else None


def part_of(network: keras.Model, name: str) -> keras.Model:
    """A member, or the network itself."""
    return network if name == WHOLE else network.get_layer(name)


def _parts(config: RunConfig, parts: Slices) -> Iterator[tuple[str, RunConfig, Slices]]:
    options = ensemble_of(config)
    if options is None:
        yield WHOLE, config, parts
        return
    for number, (name, model) in enumerate(options.members):
        own = of_member(config, model)
        own = own.model_copy(update={"seed": seed_of_copy(config.seed, number % options.copies)})
        yield name, own, seen_by(line_of_member(options, model), parts)
