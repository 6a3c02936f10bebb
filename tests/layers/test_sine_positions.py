"""Positions are Vaswani's sines and cosines, counted back from now."""

import numpy as np
import pytest

from deepstack.layers.sine_positions import SinePositions, sine_table


@pytest.mark.parametrize("width", [8, 7])
def test_table_is_the_formula(width: int) -> None:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d)) and PE(pos, 2i + 1) its cosine, d rounded up to even."""
    even = width + width % 2
    table = sine_table(50, width)
    for i in range(even // 2):
        angle = np.arange(50) / 10_000.0 ** (2 * i / even)
        np.testing.assert_allclose(table[:, i], np.sin(angle), atol=1e-12)
        if even // 2 + i < width:
            np.testing.assert_allclose(table[:, even // 2 + i], np.cos(angle), atol=1e-12)
    assert table.shape == (50, width)


def test_likeness_of_two_positions_depends_on_distance_alone() -> None:
    table = sine_table(60, 16)
    likeness = table @ table.T
    np.testing.assert_allclose(likeness[5:, 5:], likeness[:-5, :-5], atol=1e-10)
    assert (np.argmax(likeness, axis=1) == np.arange(60)).all()


def test_now_has_the_same_code_in_windows_of_every_length() -> None:
    layer = SinePositions()
    short, long = (np.asarray(layer(np.zeros((2, time, 6), "float32"))) for time in (5, 12))
    np.testing.assert_array_equal(long[:, -5:], short)
    np.testing.assert_allclose(short[0, -1], [0.0] * 3 + [1.0] * 3)
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
    np.testing.assert_allclose(layer(x), x + short, atol=1e-6)
