"""The catalogue's builders, and what they say of their cost against what they build."""

from collections.abc import Iterator
from typing import Any

import keras
import pytest

from deepstack.artifact.architecture import architecture_rows, count_layers
from deepstack.errors import ConfigError
from deepstack.models import catalogue
from deepstack.models.catalogue import MODELS
from deepstack.models.options import read_options

FEATURES = 200
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("ultimate", {}),
    ("ultimate", {"width": 32, "res_blocks_per_unit": [7, 5], "dense_blocks_per_unit": [3], "growth": 8}),
    ("ultimate", {"width": 128, "res_blocks_per_unit": [50], "attention_scales": [1]}),
    ("sequential", {}),
    ("sequential", {"layers": 1000}),
    ("sequential", {"layers": 6, "width": 100}),
]

over_options = pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)


@pytest.fixture(autouse=True, scope="module")
def weightless() -> Iterator[None]:
    """Weights get no memory in here."""
    with keras.StatelessScope(initialize_variables=False):
        yield
        keras.utils.clear_session()  # or the next scope to end would give those weights their memory


def build(name: str, options: dict[str, Any]) -> keras.Model:
    return catalogue.build(name, {"features": (FEATURES,)}, "binary", options)


@over_options
def test_operations_are_those_of_its_matrix_products(name: str, options: dict[str, Any]) -> None:
    rows = [row for row in architecture_rows(build(name, options)) if row["type"] == "Dense"]
    products = sum(int(row["parameters"]) for row in rows)  # biases among them: one in a hundred
    config = read_options(MODELS[name].config, options)
    assert MODELS[name].flops_per_sample(FEATURES, config) == pytest.approx(2 * products, rel=0.05)


@over_options
def test_a_copy_of_another_depth_is_the_same_network_otherwise(name: str, options: dict[str, Any]) -> None:
    entry = MODELS[name]
    config = read_options(entry.config, options)
    assert entry.depth(entry.at_depth(config, 17)) == 17
    sizes = [
        count_layers(entry.build({"features": (FEATURES,)}, catalogue.HEADS["binary"](), entry.at_depth(config, n)))
        for n in (1, 2, 12)
    ]
    assert sizes[2] - sizes[0] == 11 * (sizes[1] - sizes[0]) > 0


@over_options
def test_memory_grows_with_depth_and_with_what_is_kept(name: str, options: dict[str, Any]) -> None:
    entry = MODELS[name]
    config = read_options(entry.config, options)
    needed = [entry.bytes_per_sample(entry.at_depth(config, n)) for n in (10, 100, 1000)]
    assert needed[0] < needed[1] < needed[2]
    assert (needed[2] - needed[1]) / (needed[1] - needed[0]) == pytest.approx(10.0)
    assert entry.bytes_per_sample(entry.keep_everything(config)) >= entry.bytes_per_sample(config)


def test_sparse_checkpoints_need_least_near_the_root_of_the_depth() -> None:
    entry = MODELS["ultimate"]

    def needed(stride: int | str) -> float:
        return entry.bytes_per_sample(read_options(entry.config, {"checkpoint": stride}))

    assert needed(22) < needed(5) < needed("input") < needed("everything")
    assert needed(22) < needed(100)


@pytest.mark.parametrize("layers", range(5, 13))
def test_the_sequential_net_has_exactly_the_layers_asked_for(layers: int) -> None:
    assert count_layers(build("sequential", {"layers": layers, "width": 4})) == layers


def test_an_unknown_name_or_head_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.name.*'ultimat'.*`ultimate`"):
        build("ultimat", {})
    with pytest.raises(ConfigError, match="one of ultimate"):
        build("xgboost", {})
    with pytest.raises(ConfigError, match=r"head.*'ternary'.*binary"):
        catalogue.build("ultimate", {"features": (3,)}, "ternary")
