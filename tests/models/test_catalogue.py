"""The catalogue's builders, and what they say of their cost against what they build."""

from collections.abc import Iterator
from typing import Any

import keras
import pytest

from deepstack.artifact.architecture import architecture_rows, count_layers
from deepstack.errors import ConfigError
from deepstack.models import catalogue
from deepstack.models.catalogue import MODELS, Cost
from deepstack.models.heads import binary_head, make_head
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


def test_every_model_of_any_depth_is_tried_here() -> None:
    assert {name for name, _ in OPTIONS} == {name for name, entry in MODELS.items() if entry.cost}


def cost_of(name: str) -> Cost:
    cost = MODELS[name].cost
    assert cost is not None
    return cost


def build(name: str, options: dict[str, Any]) -> keras.Model:
    return catalogue.build(name, {"features": (FEATURES,)}, options=options)


@over_options
def test_operations_are_those_of_its_matrix_products(name: str, options: dict[str, Any]) -> None:
    rows = [row for row in architecture_rows(build(name, options)) if row["type"] == "Dense"]
    products = sum(int(row["parameters"]) for row in rows)  # biases among them: one in a hundred
    config = read_options(MODELS[name].config, options)
    assert cost_of(name).flops_per_sample(FEATURES, config) == pytest.approx(2 * products, rel=0.05)


@over_options
def test_a_copy_of_another_depth_is_the_same_network_otherwise(name: str, options: dict[str, Any]) -> None:
    entry, cost = MODELS[name], cost_of(name)
    config = read_options(entry.config, options)
    assert cost.depth(cost.at_depth(config, 17)) == 17
    sizes = [
        count_layers(entry.build({"features": (FEATURES,)}, binary_head(), cost.at_depth(config, n)))
        for n in (1, 2, 12)
    ]
    assert sizes[2] - sizes[0] == 11 * (sizes[1] - sizes[0]) > 0


@over_options
def test_memory_grows_with_depth_and_with_what_is_kept(name: str, options: dict[str, Any]) -> None:
    cost = cost_of(name)
    config = read_options(MODELS[name].config, options)
    needed = [cost.bytes_per_sample(cost.at_depth(config, n)) for n in (10, 100, 1000)]
    assert needed[0] < needed[1] < needed[2]
    assert (needed[2] - needed[1]) / (needed[1] - needed[0]) == pytest.approx(10.0)
    assert cost.bytes_per_sample(cost.keep_everything(config)) >= cost.bytes_per_sample(config)


def test_sparse_checkpoints_need_least_near_the_root_of_the_depth() -> None:
    def needed(stride: int | str) -> float:
        options = read_options(MODELS["ultimate"].config, {"checkpoint": stride})
        return cost_of("ultimate").bytes_per_sample(options)

    assert needed(22) < needed(5) < needed("input") < needed("everything")
    assert needed(22) < needed(100)


@pytest.mark.parametrize("layers", range(5, 13))
def test_the_sequential_net_has_exactly_the_layers_asked_for(layers: int) -> None:
    assert count_layers(build("sequential", {"layers": layers, "width": 4})) == layers


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.name.*'ultimat'.*`ultimate`"):
        build("ultimat", {})
    with pytest.raises(ConfigError, match=r"one of ultimate.*of your own.*deepstack\.register.*--plugin"):
        build("xgboost", {})


@pytest.mark.parametrize(
    ("kind", "names", "classes", "fitting"),
    [
        ("ternary", ("won",), 2, "binary"),
        ("classes", ("won",), 2, "binary"),
        ("horizons", ("won",), 2, "binary"),
        ("binary", ("5min",), 3, "classes"),
        ("binary", ("5min", "1h"), 3, "horizons"),
        ("classes", ("5min", "1h"), 3, "horizons"),
    ],
)
def test_a_head_that_does_not_fit_the_labels_is_refused_with_the_one_that_does(
    kind: str, names: tuple[str, ...], classes: int, fitting: str
) -> None:
    with pytest.raises(ConfigError, match=rf"model\.head.*received {kind} — try model\.head={fitting}"):
        make_head(kind, names, classes)
    assert make_head(fitting, names, classes).kind == fitting


def test_one_horizon_may_stand_under_either_name() -> None:
    assert make_head("horizons", ("1h",), 3).kind == "horizons"


def test_a_model_of_your_own_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MODELS", dict(MODELS))
    catalogue.register("mine", MODELS["sequential"])
    assert count_layers(build("mine", {"layers": 7, "width": 4})) == 7
    for taken in ("mine", "lstm"):
        with pytest.raises(ConfigError, match=f"a new name, received '{taken}', which is taken — try my_{taken}"):
            catalogue.register(taken, MODELS["sequential"])
    with pytest.raises(ConfigError, match="'my model'"):
        catalogue.register("my model", MODELS["sequential"])
