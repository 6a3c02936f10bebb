"""The space as text, as both engines have it, and what a pick sets."""

import keras_tuner
import optuna
import pytest

from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.config.space import read_parameter
from deepstack.errors import ConfigError
from deepstack.tuning.keras_oracles import space_of
from deepstack.tuning.optuna_engine import distribution
from deepstack.tuning.space import labels, require_space, with_values


def spaced(config: RunConfig, **space: object) -> RunConfig:
    tuning = config.tuning.model_copy(update={"space": {key.replace("__", "."): v for key, v in space.items()}})
    return config.model_copy(update={"tuning": tuning})


@pytest.mark.parametrize(
    ("text", "kind", "ends", "extra"),
    [
        ("choice [128, 256, 512]", "choice", (128, 256, 512), {}),
        ("choice [[64], [64, 32]]", "choice", ([64], [64, 32]), {}),
        ("int 2..8", "int", (2, 8), {"step": None, "log": False}),
        ("int 16..512 log", "int", (16, 512), {"log": True}),
        ("float 0.1..0.3 step 0.05", "float", (0.1, 0.3), {"step": 0.05}),
        ("log 1e-5..1e-3", "float", (1e-5, 1e-3), {"log": True}),
        ("10 x int 5..50 step 5", "int", (5, 50), {"repeat": 10, "step": 5.0}),
        ("float -1..1", "float", (-1.0, 1.0), {}),
    ],
)
def test_a_line_is_read(text: str, kind: str, ends: tuple, extra: dict) -> None:
    parameter = read_parameter("model.options.x", text)
    assert (parameter.kind, parameter.ends) == (kind, ends)
    assert {name: getattr(parameter, name) for name in extra} == extra


@pytest.mark.parametrize(
    "text", ["", "int 8..2", "int 0.5..2", "log 0..1", "choice []", "choice [1, 1]", "float 1..2 step 5", "gauss 0..1"]
)
def test_a_line_that_is_none_is_refused_with_the_key_and_its_text(text: str) -> None:
    with pytest.raises(ConfigError, match="tuning"):
        read_config(None, [f'tuning.space={{training.learning_rate: "{text}"}}'])


def test_conditions_must_be_choices_of_searched_keys() -> None:
    for when in ("{training.optimizer: adam}", "{training.loss: nothing}"):
        with pytest.raises(ConfigError, match="conditions on"):
            read_config(
                None,
                [
                    'tuning.space={training.loss: "choice [focal, cross_entropy]", '
                    f'training.focal_gamma: {{space: "float 1..2", when: {when}}}}}'
                ],
            )


def test_both_engines_have_the_same_space(config: RunConfig) -> None:
    parameters = config.tuning.parameters
    hp = space_of(parameters)
    assert isinstance(hp, keras_tuner.HyperParameters)
    for one in hp.space:
        (parameter,) = (p for p in parameters if p.key == one.name)
        theirs = distribution(parameter)
        if parameter.kind == "choice":
            assert isinstance(theirs, optuna.distributions.CategoricalDistribution)
            assert list(one.values) == list(theirs.choices) == labels(parameter)
        else:
            assert (one.min_value, one.max_value, one.sampling) == (
                theirs.low,
                theirs.high,
                "log" if theirs.log else "linear",
            )
    hp.values["training.loss"] = "cross_entropy"
    assert not hp.is_active("training.focal_gamma")


def test_a_pick_sets_the_config_and_what_is_not_active_does_not(config: RunConfig) -> None:
    picked = {"model.options.width": 4, "training.loss": "cross_entropy", "training.focal_gamma": 1.0}
    found = with_values(config, picked)
    assert found.model.options["width"] == 4
    assert found.training.focal_gamma == config.training.focal_gamma
    assert with_values(config, picked | {"training.loss": "focal"}).training.focal_gamma == 1.0


def test_lists_are_picked_whole_or_repeated() -> None:
    config = read_config(None, ['tuning.space={model.options.res_blocks_per_unit: "3 x int 1..9"}'])
    assert with_values(config, {"model.options.res_blocks_per_unit": 4}).model.options == {
        "res_blocks_per_unit": [4, 4, 4]
    }
    config = read_config(None, ['tuning.space={model.options.res_blocks_per_unit: "choice [[1], [2, 3]]"}'])
    (parameter,) = config.tuning.parameters
    picked = labels(parameter)[1]
    assert with_values(config, {parameter.key: picked}).model.options == {"res_blocks_per_unit": [2, 3]}


@pytest.mark.parametrize(
    ("space", "match"),
    [
        ({}, "one or more keys"),
        ({"training__lerning_rate": "log 1e-4..1e-2"}, "a key of the config"),
        ({"model__options__wdth": "int 1..4"}, "wdth"),
        ({"model__options__width": "int 0..4"}, r"received 0 .*positive"),
        ({"training__batch_size": "float 1..4"}, "batch_size"),
        ({"split__train": "float 0.3..0.6"}, "could not be compared"),
    ],
)
def test_a_space_no_model_can_be_built_with_is_refused(config: RunConfig, space: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        require_space(spaced(config, **space))
