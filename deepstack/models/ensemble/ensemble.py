"""Several models of the catalogue as one network: each answers, one layer combines."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import keras

from deepstack.config.model import ModelConfig
from deepstack.errors import ConfigError
from deepstack.layers.combine_members import CombineMembers
from deepstack.layers.newest_step import NewestStep
from deepstack.models.entry import Model
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE, WHEN, inputs_of
from deepstack.models.options import positive, read_options

COMBINE = "combine"
DEFAULT = ("cnn1d", "gru", "transformer_encoder")
"""Members of an ensemble that names none."""

Method = Literal["weighted", "mean", "voting", "weighted_voting", "stacking", "neural_stacking", "end_to_end"]
KINDS: dict[str, tuple[str, tuple[int, ...]]] = {
    "mean": ("shares", ()),
    "weighted": ("shares", ()),
    "end_to_end": ("shares", ()),
    "voting": ("votes", ()),
    "weighted_voting": ("votes", ()),
    "stacking": ("layers", ()),
    "neural_stacking": ("layers", (8,)),
}
"""Method → kind of the layer that combines, and its hidden units."""


@dataclass(frozen=True)
class EnsembleConfig:
    """Options of the ensemble.

    Attributes:
        cnn_models: members by name. With all lists empty, `cnn1d`, `gru` and `transformer_encoder`.
        rnn_models: more of them; which list a member stands in does not matter.
        transformer_models: more of them.
        other_models: more of them. A model of one bar sees the newest of the window. One of several timeframes makes
            the ensemble one of several. One that draws Gramian images draws scaled features: an image has the scale of
            its own window, so that only what the scaler has clipped looks different.
        classical_models: none: trees are no Keras model and stand in no SavedModel; `deepstack ensemble` and
            `deepstack leaderboard` combine them with networks.
        ensemble_method: how answers are combined: settled on validation after each member's own training, or, for
            `end_to_end`, shares trained with all members at once.
        copies: of every member.
        copies_by: `seeds`, a training each; `snapshots`, of one training at the ends of equal cosine cycles;
            `geometric`, at the ends of one-epoch cycles that follow one training.
        options: member → its own options.

    Source: Huang et al. 2017, Snapshot ensembles; Garipov et al. 2018, Loss surfaces, mode connectivity and fast
    ensembling of DNNs.
    """

    cnn_models: tuple[str, ...] = ()
    rnn_models: tuple[str, ...] = ()
    transformer_models: tuple[str, ...] = ()
    other_models: tuple[str, ...] = ()
    classical_models: tuple[str, ...] = ()
    ensemble_method: Method = "weighted"
    copies: int = 1
    copies_by: Literal["seeds", "snapshots", "geometric"] = "seeds"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        positive(self, "copies")
        if self.classical_models:
            raise ValueError(
                f"classical_models: expected none in one network, received {', '.join(self.classical_models)}; "
                "`deepstack ensemble --classical` and `deepstack leaderboard` combine them with networks"
            )
        if len(set(self.models)) < len(self.models):
            raise ValueError(f"members: expected each once, received {', '.join(self.models)}; copies: 2 makes two")
        wrong = [name for name, given in self.options.items() if not isinstance(given, dict)]
        if wrong:
            raise ValueError(f"options.{wrong[0]}: expected a section of options, received {self.options[wrong[0]]!r}")
        if len(self.members) < 2:
            raise ValueError(f"members: expected two or more, copies counted, received {len(self.members)}")
        if self.ensemble_method == "end_to_end" and self.copies_by != "seeds":
            raise ValueError(f"copies_by: expected seeds with end_to_end, received {self.copies_by}")
        unknown = set(self.options) - set(self.models)
        if unknown:
            raise ValueError(f"options: expected members, received {', '.join(sorted(unknown))}")

    @property
    def models(self) -> tuple[str, ...]:
        """Every member once."""
        return (*self.cnn_models, *self.rnn_models, *self.transformer_models, *self.other_models) or DEFAULT

    @property
    def members(self) -> tuple[tuple[str, str], ...]:
        """(name of the part, model) of every copy of every member."""
        count = range(self.copies)
        return tuple((f"{model}_{k}", model) for model in self.models for k in count)


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: EnsembleConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}`, and what else its members look at, to the head's outputs.

    Raises:
        ConfigError: a member that is unknown, or that cannot be part of a network.
    """
    # The catalogue lists this file too, so it is asked for once both are there.
    from deepstack.models import catalogue

    given = {name: keras.Input(shape, dtype=_dtype(name), name=name) for name, shape in inputs.items()}
    newest = NewestStep(name="newest")(given[BASE])
    answers = []
    require_members(config, head)
    for name, model in config.members:
        entry = line_of_member(config, model)
        seen = {key: given[key] for key in inputs_of(given, entry.sees, when=entry.when)}
        if entry.sees == "bar":
            seen[BASE] = newest
        shapes = {key: tuple(tensor.shape[1:]) for key, tensor in seen.items()}
        part = catalogue.build(model, shapes, head, config.options.get(model, {}))
        member = keras.Model(part.input, part.output, name=name)
        answer = keras.layers.Reshape((len(head.names), head.logits), dtype="float32", name=f"answer_{name}")
        answers.append(answer(member(seen)))
    kind, units = KINDS[config.ensemble_method]
    combine = CombineMembers(kind, units, learn=config.ensemble_method == "end_to_end", name=COMBINE)
    return keras.Model(given, head.shaped(combine(answers)), name="ensemble")


def with_options(line: Model, config: EnsembleConfig) -> Model:
    """The ensemble's catalogue line: it looks at all that its members look at."""
    members = [line_of_member(config, model) for model in config.models]
    several = any(member.sees == "timeframes" for member in members)
    return replace(line, sees="timeframes" if several else "window", when=any(member.when for member in members))


def line_of_member(config: EnsembleConfig, model: str) -> Model:
    """The catalogue line of a member, as its options make it."""
    from deepstack.models import catalogue

    return catalogue.line_of(ModelConfig(name=model, options=config.options.get(model, {})))


def _dtype(name: str) -> str | None:
    return "int32" if name == WHEN else None


def require_members(config: EnsembleConfig, head: Head) -> None:
    """Refuse members that cannot be parts of one network.

    Raises:
        ConfigError: names the member and says why.
    """
    for model in config.models:
        entry = line_of_member(config, model)
        options: Any = read_options(entry.config, config.options.get(model, {}))
        why = ""
        if model == "ensemble":
            why = "an ensemble, whose members can stand here themselves"
        elif head.aleatoric:
            why = "model.uncertainty aleatoric, which has no place in a mixture"
        elif entry.draws is not None and entry.draws(options).joint:
            why = "channels with one scale (joint), and scaled features have one each"
        if why:
            raise ConfigError(
                "model.options",
                expected="members that can be parts of one network",
                received=f"{model}: {why}",
                remedy="leaving that out; `deepstack ensemble` combines finished artifacts of any kind",
            )
