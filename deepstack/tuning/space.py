"""The search space between a config and the two engines: what they are asked, and what their answer sets."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from deepstack.config.read import config_from_tree
from deepstack.config.run import RunConfig
from deepstack.config.space import Parameter
from deepstack.errors import ConfigError, DeepstackError
from deepstack.pipeline.train import check

Values = Mapping[str, Any]
"""Key → what an engine picked; keys that are not searched beside the others are missing."""


def labels(parameter: Parameter) -> list[Any]:
    """The choices as both engines take them: plain values of one type, anything else as JSON."""
    kinds = {type(choice) for choice in parameter.choices}
    if len(kinds) == 1 and kinds <= {int, float, str, bool}:
        return list(parameter.choices)
    return [json.dumps(choice) for choice in parameter.choices]


def with_values(config: RunConfig, values: Values) -> RunConfig:
    """The config with what a trial picked.

    Raises:
        ConfigError: a key or value the config does not take.
    """
    tree = config.model_dump(mode="json")
    for parameter in config.tuning.parameters:
        if parameter.key in values and parameter.active(_chosen(config, values)):
            picked = values[parameter.key]
            setting = _choice(parameter, picked) if parameter.kind == "choice" else parameter.setting(picked)
            _put(tree, parameter.key, setting)
    return config_from_tree(tree, "the trial's config")


def require_space(config: RunConfig) -> None:
    """Refuse, before any work, a space with a key or an end that no model can be built with.

    Raises:
        ConfigError: names the key.
    """
    parameters = config.tuning.parameters
    if not parameters:
        raise ConfigError(
            "tuning.space",
            expected="one or more keys to search",
            received="none",
            remedy="--set 'tuning.space={training.learning_rate: \"log 1e-4..1e-2\"}'",
        )
    known = config.model_dump(mode="json")
    for parameter in parameters:
        if parameter.key.startswith(("tuning.", "data.", "split.", "evaluation.", "name", "seed")):
            raise ConfigError(
                f"tuning.space.{parameter.key}",
                expected="a key of features, labels, samples, model or training",
                received=parameter.key.partition(".")[0],
                remedy="leaving it out: trials could not be compared",
            )
        _require_key(known, parameter.key)
        for end in labels(parameter) if parameter.kind == "choice" else parameter.ends:
            values = {key: labels_of(parameters, key, allowed[0]) for key, allowed in parameter.when.items()}
            try:
                check(with_values(config, values | {parameter.key: end}))
            except DeepstackError as error:
                raise ConfigError(
                    f"tuning.space.{parameter.key}",
                    expected="values the model can be built with",
                    received=f"{end} ({error})",
                    remedy="another range",
                ) from error


def labels_of(parameters: Sequence[Parameter], key: str, choice: Any) -> Any:
    """A choice as the engines know it."""
    parameter = next(parameter for parameter in parameters if parameter.key == key)
    return labels(parameter)[parameter.choices.index(choice)]


def _chosen(config: RunConfig, values: Values) -> dict[str, Any]:
    """The values with choices as the config writes them, for conditions to look at."""
    found = dict(values)
    for parameter in config.tuning.parameters:
        if parameter.kind == "choice" and parameter.key in found:
            found[parameter.key] = _choice(parameter, found[parameter.key])
    return found


def _choice(parameter: Parameter, label: Any) -> Any:
    return parameter.choices[labels(parameter).index(label)]


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *rooms, name = key.split(".")
    for room in rooms:
        tree = tree[room]
    tree[name] = value


def _require_key(tree: Mapping[str, Any], key: str) -> None:
    """`model.options` is open: its builder knows it; everything else is in the config."""
    here: Any = tree
    rooms = key.split(".")
    for number, room in enumerate(rooms):
        if rooms[:2] == ["model", "options"] and number == 2:
            return
        if not isinstance(here, Mapping) or room not in here:
            raise ConfigError(
                f"tuning.space.{key}",
                expected="a key of the config",
                received=repr(room),
                remedy="one of docs/config.md",
            )
        here = here[room]
