"""The plan's figures against counts by hand, and against the run they are of."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import pytest
import tensorflow as tf

from deepstack.config.read import read_config
from deepstack.models import catalogue
from deepstack.models.heads import binary_head
from deepstack.models.options import read_options
from deepstack.pipeline.flops import forward_flops
from deepstack.pipeline.plan import Plan, plan

BARS, FEATURES = 32, 20
WINDOW, ROW = {"features": (BARS, FEATURES)}, {"features": (FEATURES,)}


def counted(name: str, shapes: dict[str, tuple[int, ...]], **options: Any) -> float | None:
    return forward_flops(partial(catalogue.build, name, shapes, binary_head(), options))


def of_transformer(depth: int, width: int = 64) -> float:
    block = 2 * BARS * (4 * width * width + 2 * 4 * width * width) + 2 * 2 * BARS * BARS * width
    pooling = 2 * BARS * (width * width + width) + 2 * BARS * width
    return 2 * BARS * FEATURES * width + depth * block + pooling + 2 * width


def test_a_recurrent_layer_counts_every_bar() -> None:
    by_hand = 2 * BARS * 4 * (16 * (FEATURES + 16) + 8 * (16 + 8)) + 2 * 8
    assert counted("lstm", WINDOW, units=[16, 8]) == pytest.approx(by_hand, rel=0.02)


@pytest.mark.parametrize("depth", [2, 24])
def test_a_stack_counts_every_block(depth: int) -> None:
    assert counted("transformer_attention", WINDOW, depth=depth) == pytest.approx(of_transformer(depth), rel=0.02)


def test_groups_of_kept_inputs_change_nothing() -> None:
    whole = counted("transformer_attention", WINDOW, depth=7)
    assert counted("transformer_attention", WINDOW, depth=7, checkpoint=3) == whole


def test_convolutions_count_every_tap() -> None:
    model = catalogue.build("cnn1d", WINDOW)
    by_hand = sum(
        2 * layer.kernel.shape.num_elements() * (layer.output.shape[1] if len(layer.output.shape) == 3 else 1)
        for layer in model.layers
        if hasattr(layer, "kernel")
    )
    assert counted("cnn1d", WINDOW) == pytest.approx(by_hand, rel=0.02)


@pytest.mark.parametrize(
    ("name", "options"), [("ultimate", {"res_blocks_per_unit": [7], "width": 32}), ("sequential", {})]
)
def test_a_models_own_formula_agrees(name: str, options: dict[str, Any]) -> None:
    cost = catalogue.find(name).cost
    assert cost is not None
    formula = cost.flops_per_sample(FEATURES, read_options(catalogue.find(name).config, options))
    assert counted(name, ROW, **options) == pytest.approx(formula, rel=0.03)


def test_a_loop_of_unknown_length_is_not_counted() -> None:
    @keras.saving.register_keras_serializable(package="test")
    class Halving(keras.layers.Layer):
        def call(self, x: tf.Tensor) -> tf.Tensor:
            return tf.while_loop(lambda x: tf.reduce_max(x) > 1.0, lambda x: (x / 2.0,), (x,))[0]

        def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
            return shape

    x = keras.Input((4,), name="features")
    assert forward_flops(lambda: keras.Model({"features": x}, Halving()(x))) is None


def test_steps_are_those_of_the_run(tiny_run: Callable[[str], Path], moves_config: Path) -> None:
    name = "transformer_decoder"
    folder = tiny_run(name)
    config = read_config(folder / "config.yaml")
    found = plan(config, measure=False)
    steps = pd.read_csv(folder / "training.csv")
    report = pd.read_json(folder / "report.json", typ="series")
    assert found.steps == config.training.epochs * (report["samples"]["train"] // 64)
    assert found.pretraining_steps == found.steps
    assert len(steps) == config.training.epochs
    time = found.lines()[-1]
    assert "training: " in time and "of pre-training" in time and time.endswith("come on top")
    assert "more than" in found.lines()[3]


def test_what_is_not_known_is_not_printed() -> None:
    found = Plan("m", 3, 2, 10, None, 100.0, "trial", None, 50.0, 64, 0.5, 10, 0, "1 symbols")
    text = "\n".join(found.lines())
    assert "MFLOP" not in text and "every product" not in text
    assert "training: about 5 s, 10 steps of 64 samples of 0.500 s" in text
