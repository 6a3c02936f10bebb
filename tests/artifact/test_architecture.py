"""One row for every counted layer, those inside stacks included, and every parameter in exactly one row."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_models import WITH_DROPOUT, build

from deepstack.artifact.architecture import COLUMNS, architecture_rows, count_layers, write_architecture
from deepstack.config.read import read_config
from deepstack.models import catalogue
from deepstack.models.catalogue import MODELS

ROOT = Path(__file__).resolve().parents[2]


def parameters(model: keras.Model, trainable: bool = False) -> int:
    """Numbers a model learns or measures: the states of random generators, integers, are none."""
    weights = model.trainable_weights if trainable else model.weights
    return sum(int(np.prod(weight.shape)) for weight in weights if "float" in weight.dtype)


@pytest.fixture(scope="module")
def default_network() -> keras.Model:
    config = read_config(ROOT / "configs" / "ultimate.yaml").model
    return catalogue.build(config.name, {"features": (250,)}, options=config.options)


def test_the_default_network_has_a_row_for_each_of_its_layers(default_network: keras.Model, tmp_path: Path) -> None:
    assert write_architecture(tmp_path / "a.csv", default_network) == 2056
    with (tmp_path / "a.csv").open() as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    assert [int(row["index"]) for row in rows] == list(range(1, 2057))
    assert len({row["name"] for row in rows}) == 2056
    assert sum(row["stack"] == "residual" for row in rows) == 2000
    assert {int(row["block"]) for row in rows if row["stack"] == "residual"} == set(range(500))
    assert sum(int(row["parameters"]) for row in rows) == parameters(default_network)
    assert sum(int(row["trainable_parameters"]) for row in rows) == parameters(default_network, trainable=True)
    assert rows[0]["name"] == "stem/dense"
    assert rows[-1]["name"] == "logit"


@pytest.mark.parametrize("network", ["ultimate", "sequential", "no_rule"])
def test_every_parameter_stands_in_one_row(networks: Mapping[str, Any], network: str) -> None:
    rows = list(architecture_rows(networks[network]))
    assert len(rows) == count_layers(networks[network])
    assert sum(row["parameters"] for row in rows) == parameters(networks[network])
    assert sum(row["trainable_parameters"] for row in rows) == parameters(networks[network], trainable=True)


@pytest.mark.parametrize("name", MODELS)
def test_so_does_every_parameter_of_every_model(name: str) -> None:
    with keras.StatelessScope(initialize_variables=False):
        model = build(name, WITH_DROPOUT)
        rows = list(architecture_rows(model))
        assert len(rows) == count_layers(model)
        assert sum(row["parameters"] for row in rows) == parameters(model)
        assert sum(row["trainable_parameters"] for row in rows) == parameters(model, trainable=True)
        assert all(row["output_width"] > 0 for row in rows)
        keras.utils.clear_session()


def test_counting_needs_no_memory_for_weights() -> None:
    with keras.StatelessScope(initialize_variables=False):
        options = {"width": 4096, "res_blocks_per_unit": [10_000]}
        assert count_layers(catalogue.build("ultimate", {"features": (9,)}, options=options)) == 40_056
    keras.utils.clear_session()  # or the next scope to end would give those weights their memory
