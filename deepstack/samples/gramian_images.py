"""Gramian images without TensorFlow: what workers write to disk."""

import numpy as np

from deepstack.gramian import FIELDS, Field, averaging, cosines_and_sines


def gramian_images(
    windows: np.ndarray,
    size: int,
    fields: tuple[Field, ...] = FIELDS,
    joint: tuple[int, ...] = (),
) -> np.ndarray:
    """Windows as images, equal to what `GramianAngularField` draws.

    Args:
        windows: float32 [windows, bars, channels].
        size: pixels a side.
        fields: which, in order.
        joint: sizes of groups of channels that are scaled together.

    Returns:
        float32 [windows, size, size, channels × fields], the fields of a channel side by side.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    if not np.isfinite(windows).all():
        raise ValueError("a window must be finite")
    pixels = averaging(windows.shape[1], size)
    cos, sin = cosines_and_sines(np, windows.astype(np.float64), pixels, joint)
    c, s = (np.moveaxis(part.astype(np.float32), 2, 1)[:, :, :, None] for part in (cos, sin))
    across = {"summation": (np.swapaxes(c, 2, 3), np.swapaxes(-s, 2, 3))}
    across["difference"] = across["summation"][1], across["summation"][0]
    images = np.empty((len(windows), size, size, windows.shape[2], len(fields)), np.float32)
    for k, field in enumerate(fields):
        by_cos, by_sin = across[field]
        images[..., k] = np.moveaxis(c * by_cos + s * by_sin, 1, 3)
    return images.reshape(len(windows), size, size, -1)


def pyts_images(
    windows: np.ndarray, size: int, fields: tuple[Field, ...] = FIELDS, joint: tuple[int, ...] = ()
) -> np.ndarray:
    """As `gramian_images`, drawn by pyts, which scales every channel alone and wants as many bars as pixels.

    Raises:
        ValueError: a value is NaN or infinite, a joint scale, or fewer bars than pixels.
    """
    from pyts.image import GramianAngularField

    if joint:
        raise ValueError("pyts scales every channel alone")
    drawn = [
        GramianAngularField(size, method=field).transform(windows[..., channel].astype(np.float64))
        for channel in range(windows.shape[2])
        for field in fields
    ]
    return np.stack(drawn, axis=-1).astype(np.float32)
