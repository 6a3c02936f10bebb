"""Gramian images without TensorFlow: what workers write to disk."""

from importlib.util import find_spec

import numpy as np

from deepstack.errors import ConfigError
from deepstack.gramian import Drawing, cosines_and_sines


def gramian_images(windows: np.ndarray, drawing: Drawing) -> np.ndarray:
    """Windows as images, equal to what `GramianAngularField` draws.

    Args:
        windows: float32 [windows, bars, channels].
        drawing: how.

    Returns:
        float32 [windows, size, size, channels × fields], the fields of a channel side by side.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    if not np.isfinite(windows).all():
        raise ValueError("a window must be finite")
    cos, sin = cosines_and_sines(np, windows.astype(np.float64), drawing.size, drawing.joint)
    c, s = (np.moveaxis(part.astype(np.float32), 2, 1)[:, :, :, None] for part in (cos, sin))
    across = {"summation": (np.swapaxes(c, 2, 3), np.swapaxes(-s, 2, 3))}
    across["difference"] = across["summation"][1], across["summation"][0]
    images = np.empty((len(windows), drawing.size, drawing.size, windows.shape[2], len(drawing.fields)), np.float32)
    for k, field in enumerate(drawing.fields):
        by_cos, by_sin = across[field]
        images[..., k] = np.moveaxis(c * by_cos + s * by_sin, 1, 3)
    return images.reshape(len(windows), drawing.size, drawing.size, -1)


def pyts_images(windows: np.ndarray, drawing: Drawing) -> np.ndarray:
    """As `gramian_images`, drawn by pyts; `require_pyts` says what it cannot draw."""
    from pyts.image import GramianAngularField

    drawn = [
        GramianAngularField(drawing.size, method=field).transform(windows[..., channel].astype(np.float64))
        for channel in range(windows.shape[2])
        for field in drawing.fields
    ]
    return np.stack(drawn, axis=-1).astype(np.float32)


def require_pyts(drawing: Drawing, bars: int) -> None:
    """Refuse what pyts cannot draw: it scales every channel alone, and wants at least as many bars as pixels.

    Raises:
        ConfigError: that, or pyts is not installed.
    """
    if find_spec("pyts") is None:
        raise ConfigError(
            "--engine pyts", expected="pyts installed", received="none", remedy="pip install 'deepstack[gaf]'"
        )
    if drawing.joint or bars < drawing.size:
        raise ConfigError(
            "--engine pyts",
            expected=f"no joint channels, and at least {drawing.size} bars for as many pixels",
            received=f"joint {list(drawing.joint)}, {bars} bars",
            remedy="--engine native",
        )
