"""The Gramian angular field against pyts, and what pyts does not say: few bars, joint scales, gradients, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepstack.gramian import Drawing, averaging, places
from deepstack.layers.gramian import GramianAngularField
from deepstack.samples.gramian_images import gramian_images

pyts = pytest.importorskip("pyts.image")

floats = st.floats(-1e6, 1e6, width=32, allow_nan=False)


@st.composite
def windows(draw: st.DrawFn) -> np.ndarray:
    """float32 [windows, bars], from a walk far from 0 to wild values and constant stretches."""
    shape = draw(st.integers(1, 4)), draw(st.integers(2, 40))
    kind = draw(st.sampled_from(["any", "walk", "few", "constant"]))
    if kind == "any":
        return draw(arrays(np.float32, shape, elements=floats))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    if kind == "walk":
        return (50_000.0 + random.normal(size=shape).cumsum(axis=1)).astype(np.float32)
    if kind == "few":
        return random.integers(0, 3, shape).astype(np.float32)
    return np.full(shape, draw(floats), np.float32)


def theirs(x: np.ndarray, size: int | float, **options: object) -> np.ndarray:
    """float64 [windows, size, size, 2]."""
    made = [
        pyts.GramianAngularField(image_size=size, method=method, **options).fit_transform(x.astype(np.float64))
        for method in ("summation", "difference")
    ]
    return np.stack(made, axis=-1)


def ours(x: np.ndarray, size: int | float, **options: object) -> np.ndarray:
    return GramianAngularField(size, **options)(x[..., None]).numpy()


@settings(max_examples=150, deadline=None)
@given(x=windows(), data=st.data())
def test_it_is_pyts_image_for_every_option(x: np.ndarray, data: st.DataObject) -> None:
    size = data.draw(st.one_of(st.integers(1, x.shape[1]), st.floats(0.1, 1.0)))
    low = data.draw(st.floats(-1.0, 0.5))
    options = {
        "sample_range": data.draw(st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (low, low + 0.5)])),
        "overlapping": data.draw(st.booleans()),
    }
    np.testing.assert_allclose(ours(x, size, **options), theirs(x, size, **options), atol=1e-5)


def test_values_already_in_range_may_be_taken_as_they_are() -> None:
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (5, 20)).astype(np.float32)
    np.testing.assert_allclose(ours(x, 10, sample_range=None), theirs(x, 10, sample_range=None), atol=1e-5)


@pytest.mark.parametrize("fields", [("summation",), ("difference",), ("difference", "summation")])
def test_fields_come_in_the_order_asked_for(fields: tuple[str, ...]) -> None:
    x = np.random.default_rng(1).normal(size=(3, 12)).astype(np.float32)
    wanted = theirs(x, 12)[..., [("summation", "difference").index(field) for field in fields]]
    np.testing.assert_allclose(ours(x, 12, fields=fields), wanted, atol=1e-5)


@pytest.mark.parametrize(("bars", "size"), [(5, 15), (15, 64), (60, 64)])
def test_a_window_of_fewer_bars_than_pixels_shows_each_bar_as_it_is(bars: int, size: int) -> None:
    x = np.random.default_rng(2).normal(size=(4, bars)).astype(np.float32)
    place = np.arange(size) * bars // size
    np.testing.assert_allclose(ours(x, size), theirs(x, bars)[:, place][:, :, place], atol=1e-5)
    assert set(place) == set(range(bars))
    np.testing.assert_array_equal(places(bars, size), place)


def test_channels_give_each_their_pair_and_a_joint_scale_keeps_their_relation() -> None:
    x = np.random.default_rng(3).normal(size=(6, 16, 3)).cumsum(axis=1).astype(np.float32)
    alone = GramianAngularField(16)(x).numpy()
    for channel in range(3):
        np.testing.assert_allclose(alone[..., 2 * channel : 2 * channel + 2], theirs(x[..., channel], 16), atol=1e-5)
    together = GramianAngularField(16, joint=(2,))(x).numpy()
    # Side by side the two channels of the group are one series with one minimum and maximum.
    joined = theirs(np.concatenate([x[..., 0], x[..., 1]], axis=1), 32)
    np.testing.assert_allclose(together[..., 0:2], joined[:, :16, :16], atol=1e-5)
    np.testing.assert_allclose(together[..., 2:4], joined[:, 16:, 16:], atol=1e-5)
    np.testing.assert_allclose(together[..., 4:], alone[..., 4:], atol=1e-6)


def test_scale_and_level_of_a_window_do_not_matter() -> None:
    x = np.random.default_rng(4).normal(size=(4, 20)).astype(np.float32)
    np.testing.assert_allclose(ours(3.0 * x + 7.0, 10), ours(x, 10), atol=1e-4)


def test_the_workers_engine_draws_what_the_graph_draws() -> None:
    x = np.random.default_rng(5).normal(size=(9, 30, 5)).cumsum(axis=1).astype(np.float32)
    for options in ({}, {"joint": (4,)}, {"fields": ("difference",), "joint": (2, 3)}):
        drawn = gramian_images(x, Drawing(16, **options))
        np.testing.assert_allclose(drawn, GramianAngularField(16, **options)(x).numpy(), atol=1e-6)


def test_its_gradient_is_that_of_the_image() -> None:
    layer = GramianAngularField(6, joint=(2,), dtype="float32")
    random = np.random.default_rng(6)
    x, weight = random.normal(size=(2, 12, 3)).astype(np.float32), random.normal(size=(2, 6, 6, 6)).astype(np.float32)

    def value(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(layer(x) * weight, tf.float64))

    point = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(point)
        total = value(point)
    gradient = tape.gradient(total, point).numpy()
    assert np.isfinite(gradient).all()
    step = 1e-3
    # Bars away from a pixel that is its window's extreme: there the image has a corner.
    for sample, bar, channel in ((0, 3, 0), (1, 7, 1), (0, 5, 2), (1, 2, 2)):
        moved = np.zeros_like(x)
        moved[sample, bar, channel] = step
        numeric = (value(x + moved) - value(x - moved)) / (2 * step)
        pixels = averaging(12, 6) @ x[sample].astype(np.float64) / 2.0
        group = pixels[:, :2] if channel < 2 else pixels[:, channel : channel + 1]
        if group.min() < pixels[bar // 2, channel] < group.max():
            np.testing.assert_allclose(gradient[sample, bar, channel], numeric, rtol=2e-2, atol=2e-2)


def test_a_constant_window_has_finite_gradients() -> None:
    point = tf.zeros((1, 8, 1)) + 3.0
    with tf.GradientTape() as tape:
        tape.watch(point)
        image = GramianAngularField(4)(point)
        total = tf.reduce_sum(image)
    np.testing.assert_array_equal(image[0, ..., 0], 1.0)
    np.testing.assert_array_equal(image[0, ..., 1], 0.0)
    assert np.isfinite(tape.gradient(total, point)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    x = np.zeros((2, 8, 1), np.float32)
    x[1, 3] = bad
    with pytest.raises(tf.errors.InvalidArgumentError, match="a window must be finite"):
        GramianAngularField(4)(x)
    with pytest.raises(ValueError, match="a window must be finite"):
        gramian_images(x, Drawing(4))


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_rounds_the_image_alone(precision: str) -> None:
    x = (60_000.0 + np.random.default_rng(7).normal(size=(3, 32, 1))).astype(np.float32)
    image = GramianAngularField(16, dtype=precision)(x)
    assert image.dtype == precision.removeprefix("mixed_")
    exact = GramianAngularField(16)(x)
    np.testing.assert_allclose(tf.cast(image, tf.float32), exact, atol=8e-3)


def test_it_survives_saving_and_compiles() -> None:
    layer = GramianAngularField(0.5, ("difference",), (2,), (-0.5, 1.0), True)
    again = GramianAngularField.from_config(layer.get_config())
    x = np.random.default_rng(8).normal(size=(2, 9, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(x), layer(x))
    assert layer.compute_output_shape((None, 9, 3)) == (None, 5, 5, 3)
    compiled = tf.function(layer, jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(x)), layer(x), atol=1e-5)
    inputs = keras.Input((9, 3))
    assert keras.Model(inputs, layer(inputs)).output_shape == (None, 5, 5, 3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 0}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": 4, "fields": ("sum",)}, "fields"),
        ({"size": 4, "sample_range": (-2.0, 1.0)}, "sample_range"),
        ({"size": 4, "joint": (3,)}, "joint"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GramianAngularField(**options)(np.zeros((1, 4, 2), np.float32))  # type: ignore[arg-type]
