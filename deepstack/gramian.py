"""The Gramian angular field of a window, as formulas for arrays of any library: numpy in a worker, Keras in a graph.

A series is averaged to the image's size, scaled to [-1, 1] by its own minimum and maximum, and each value x read as an
angle φ = arccos x; the image holds cos(φᵢ + φⱼ), the summation field, or sin(φᵢ − φⱼ), the difference field.

Source: Wang & Oates 2015, Imaging time-series to improve classification and imputation, section 2; piecewise
aggregation after Keogh & Pazzani 2000; options and their meaning as pyts.image.GramianAngularField.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Field = Literal["summation", "difference"]

RESOLUTION = 1e-12
"""Spread, as a share of the values, up to which averages differ by rounding alone: far below what float32 can hold."""

FIELDS: tuple[Field, ...] = ("summation", "difference")


@dataclass(frozen=True)
class Drawing:
    """How a window becomes an image.

    Attributes:
        size: pixels a side.
        fields: which fields of each channel, in order.
        joint: sizes of groups of channels, from the first, that are scaled together.
    """

    size: int = 64
    fields: tuple[Field, ...] = FIELDS
    joint: tuple[int, ...] = ()


def places(bars: int, size: int) -> np.ndarray:
    """Which bar each pixel shows where a window has no more bars than pixels, int64 [size]; nothing is interpolated."""
    return np.arange(size) * bars // size


def averaging(bars: int, size: int, *, overlapping: bool = False) -> np.ndarray:
    """Piecewise aggregate approximation: float64 [size, bars], 1 where a bar belongs to a pixel, their average.

    Args:
        bars: of the window, more than pixels.
        size: pixels.
        overlapping: segments of one length, ⌈bars / size⌉, that overlap where they must; else of lengths that differ
            by one at most.
    """
    if overlapping:
        length = math.ceil(bars / size)
        first = length * np.arange(size) - np.linspace(0, length * size - bars, size).astype(np.int64)
        last = first + length
    else:
        bounds = np.linspace(0, bars, size + 1).astype(np.int64)
        first, last = bounds[:-1], bounds[1:]
    bar = np.arange(bars)
    return ((bar >= first[:, None]) & (bar < last[:, None])).astype(np.float64)


def cosines_and_sines(
    xp: Any,
    windows: Any,
    size: int,
    joint: tuple[int, ...] = (),
    sample_range: tuple[float, float] | None = (-1.0, 1.0),
    *,
    overlapping: bool = False,
) -> tuple[Any, Any]:
    """cos φ and sin φ of each pixel and channel.

    sin φ = √((1 − x)(1 + x)) with both factors taken from the distances to minimum and maximum, not from the rounded x:
    near the extremes, where every window has two values, the root would magnify the rounding. Its gradient there,
    infinite in theory, is taken as 0. A window, or joint group, that is constant lies at the range's lower end.

    Args:
        xp: the library: `numpy` or `keras.ops`.
        windows: float64 [batch, bars, channels], finite.
        size: pixels.
        joint: sizes of groups of channels, from the first, that share one minimum and maximum; each further channel
            has its own.
        sample_range: what minimum and maximum become, within [-1, 1]; None takes values as they are, which must lie in
            [-1, 1].
        overlapping: as in `averaging`.

    Returns:
        Two float64 arrays [batch, size, channels].
    """
    low, high = sample_range or (-1.0, 1.0)
    bars, averaged = windows.shape[1], windows
    if bars > size:
        pixels = averaging(bars, size, overlapping=overlapping)
        averaged = xp.einsum("st,btc->bsc", pixels, windows) / pixels.sum(axis=1)[:, None]
    if sample_range is None:
        above, below = (1.0 + averaged) / 2.0, (1.0 - averaged) / 2.0
    else:
        least, most = _extremes(xp, averaged, joint)
        varies = most - least > RESOLUTION * xp.maximum(xp.absolute(most), xp.absolute(least))
        spread = xp.where(varies, most - least, 1.0)
        above, below = (averaged - least) / spread, xp.where(varies, (most - averaged) / spread, 1.0)
    product = xp.maximum((1.0 + low + (high - low) * above) * (1.0 - high + (high - low) * below), 0.0)
    positive = product > 0.0
    cos, sin = low + (high - low) * above, xp.where(positive, xp.sqrt(xp.where(positive, product, 1.0)), 0.0)
    if bars >= size:
        return cos, sin
    return xp.take(cos, places(bars, size), axis=1), xp.take(sin, places(bars, size), axis=1)


def _extremes(xp: Any, values: Any, joint: tuple[int, ...]) -> tuple[Any, Any]:
    """Minimum and maximum over time, [batch, 1, channels]; the channels of a group share theirs."""
    return tuple(_shared(xp, reduce(values, axis=1, keepdims=True), reduce, joint) for reduce in (xp.min, xp.max))


def _shared(xp: Any, each: Any, reduce: Any, joint: tuple[int, ...]) -> Any:
    parts, first = [], 0
    for size in joint:
        group = reduce(each[..., first : first + size], axis=-1, keepdims=True)
        parts.append(xp.repeat(group, size, axis=-1))
        first += size
    return xp.concatenate([*parts, each[..., first:]], axis=-1)
