"""A bar at a time says what whole windows say."""

from pathlib import Path

import keras
import numpy as np
import pytest

from deepstack.artifact.model import raw_outputs, up_to
from deepstack.artifact.stepper import AttentionStepper, WindowStepper, stepper_of, steps_alone
from deepstack.config.read import read_config
from deepstack.models import catalogue
from deepstack.models.heads import Head, binary_head, head_of
from deepstack.models.transformer.transformer_decoder import FORESEEN, TransformerDecoderConfig, build, receptive_field

BARS, FEATURES, ROWS = 12, 5, 3


def network(head: Head | None = None, **options: object) -> keras.Model:
    keras.utils.set_random_seed(3)
    config = TransformerDecoderConfig(dropout=0.2, drop_path=0.1, **options)
    made = build({"features": (BARS, FEATURES)}, head or binary_head(), config)
    random = np.random.default_rng(0)
    for variable in made.trainable_variables:
        variable.assign(variable.numpy() + 0.1 * random.normal(size=variable.shape))
    return made


def bars(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(ROWS, count, FEATURES)).astype(np.float32)


ALONE = [
    {"sines": False, "spans": (4,)},
    {"sines": False, "spans": (2, 4), "depth": 3},
    {"sines": False, "spans": (3, 6), "rotary": False},
    {"sines": False, "spans": (5,), "experts": 3},
    {"sines": False, "spans": (1,)},
]


@pytest.mark.parametrize("options", [*ALONE, {}], ids=str)
def test_each_bar_is_answered_as_its_window_is(options: dict) -> None:
    made, known = network(**options), bars(BARS + 9)
    stepper = stepper_of(made)
    assert isinstance(stepper, AttentionStepper if options else WindowStepper)
    said = stepper.read(known[:, :BARS])
    for end in range(BARS, known.shape[1] + 1):
        if end > BARS:
            said = stepper.step(said.kept, known[:, end - 1])
        window = {"features": known[:, end - BARS : end]}
        np.testing.assert_allclose(said.outputs, raw_outputs(made, window), atol=1e-5)
        np.testing.assert_allclose(said.foreseen, raw_outputs(up_to(made, FORESEEN), window)[:, -1], atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{}, {"sines": False}, {"spans": (4,)}, {"sines": False, "spans": (4, 0)}, {"sines": False, "spans": (7,)}],
)
def test_what_changes_as_the_window_moves_is_not_kept(options: dict) -> None:
    assert not steps_alone(network(**options))


def test_the_receptive_field_is_what_the_newest_bar_sees() -> None:
    config = TransformerDecoderConfig(sines=False, spans=(2, 4))
    made, known = network(sines=False, spans=(2, 4)), bars(BARS)
    field = receptive_field(config)
    assert field == 7
    before = raw_outputs(made, {"features": known})
    for bar in range(BARS):
        other = known.copy()
        other[:, bar] += 1.0
        moved = np.abs(raw_outputs(made, {"features": other}) - before).max()
        assert (moved > 1e-5) == (bar >= BARS - field), bar


def test_the_config_for_streams_gives_such_a_network() -> None:
    config = read_config(Path(__file__).parents[2] / "configs" / "transformer_streaming.yaml")
    shapes = {"features": (config.samples.window_bars, FEATURES)}
    head = head_of(config.labels, config.model)
    assert steps_alone(catalogue.build(config.model.name, shapes, head, config.model.options))
