"""Stored images in the place of windows, for training: checked against what the windows would draw."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from deepstack.config.run import RunConfig
from deepstack.errors import DataError
from deepstack.gramian import Drawing
from deepstack.models.inputs import BASE
from deepstack.pipeline.samples import Slices
from deepstack.samples.batches import Samples
from deepstack.samples.gramian_images import gramian_images
from deepstack.samples.stored_images import open_images
from deepstack.samples.windows import Windows

CHECKED = 32
"""Images drawn again for the comparison."""
ROUNDING = 2e-3
"""More than float16 files and the engines differ by."""


def with_stored_images(config: RunConfig, parts: Slices, drawing: Drawing) -> tuple[Samples, Samples]:
    """Training and validation samples whose images are read from `samples.images`.

    Raises:
        DataError: images are missing, made otherwise, or of other candles.
    """
    assert config.samples.images is not None
    folder, split, windows = Path(config.samples.images), parts.split, parts.inputs[BASE]
    assert isinstance(windows, Windows)
    expected = {
        "channels": list(parts.names),
        "size": drawing.size,
        "fields": list(drawing.fields),
        "joint": list(drawing.joint),
    }
    wanted = np.concatenate([split.train, split.validation])
    images = open_images(folder, parts.labels.samples, wanted, config.samples.window_bars, expected)
    some = wanted[np.linspace(0, len(wanted) - 1, CHECKED).astype(np.int64)]
    if not np.allclose(images[some], gramian_images(windows[some], drawing), atol=ROUNDING):
        raise DataError(
            f"samples.images: {folder}",
            expected="the images of these candles",
            received="others for the same decisions",
            remedy="making them again with `deepstack gaf` from these candles",
        )
    train, validation = (replace(parts.samples(index), x={BASE: images}) for index in (split.train, split.validation))
    return train, validation
