"""Every config of the project parses, says what it is, and its model builds with the layers it promises."""

from pathlib import Path

import keras
import numpy as np
import pytest

from deepstack.artifact.architecture import count_layers
from deepstack.config.read import read_config
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.pipeline.plan import shapes_of

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FEATURES = 250
LAYERS = {
    "sequential_75": 75,
    "sequential_800": 800,
    "sequential_1000": 1000,
    "ultimate": 2056,
    "ultimate_original": 2056,
    "ultimate_10000": 10_056,
}

over_configs = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def layers_and_parameters(path: Path) -> tuple[int, int]:
    """Of the config's model, whose weights are given no memory."""
    config = read_config(path)
    shapes = shapes_of(config, catalogue.find(config.model.name), FEATURES)
    with keras.StatelessScope(initialize_variables=False):
        model = catalogue.build(config.model.name, shapes, head_of(config.labels, config.model), config.model.options)
        found = count_layers(model), sum(int(np.prod(v.shape)) for v in model.weights if "float" in v.dtype)
        keras.utils.clear_session()
    return found


@over_configs
def test_it_parses_and_its_model_builds(path: Path) -> None:
    layers, parameters = layers_and_parameters(path)
    assert layers == LAYERS.get(path.stem, layers)
    assert layers > 2
    assert parameters > 1000


@over_configs
def test_its_first_lines_say_what_it_is_and_how_to_run_it(path: Path) -> None:
    header = [line for line in path.read_text(encoding="utf-8").split("\n\n")[0].splitlines() if line.startswith("#")]
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert any(f"configs/{path.name}" in line and "deepstack " in line for line in header)


def test_every_promised_config_is_there() -> None:
    assert {path.stem for path in CONFIGS} >= {*LAYERS, "ultimate_billion", "smoke"}
    assert {read_config(path).model.name for path in CONFIGS} == set(catalogue.MODELS)


def test_the_billion_is_a_billion() -> None:
    layers, parameters = layers_and_parameters(ROOT / "configs" / "ultimate_billion.yaml")
    assert parameters == pytest.approx(1e9, rel=0.1)
    assert layers > 1900


def test_names_of_runs_differ() -> None:
    names = [read_config(path).name for path in CONFIGS]
    assert len(set(names)) == len(names)
