"""Stored images in the place of windows, for training."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from deepstack.config.run import RunConfig
from deepstack.gramian import Drawing
from deepstack.models.inputs import BASE
from deepstack.pipeline.samples import Slices
from deepstack.samples.batches import Samples
from deepstack.samples.stored_images import open_images
from deepstack.samples.windows import Windows


def with_stored_images(config: RunConfig, parts: Slices, drawing: Drawing) -> tuple[Samples, Samples]:
    """Training and validation samples whose images are read from `samples.images`; every file is verified first.

    Raises:
        DataError: images are missing, altered, made otherwise, or of other candles.
    """
    assert config.samples.images is not None
    split, windows = parts.split, parts.inputs[BASE]
    assert isinstance(windows, Windows)
    expected = {
        "channels": list(parts.names),
        "size": drawing.size,
        "fields": list(drawing.fields),
        "joint": list(drawing.joint),
    }
    wanted = np.concatenate([split.train, split.validation])
    images = open_images(Path(config.samples.images), parts.labels.samples, windows, wanted, expected)
    train, validation = (replace(parts.samples(index), x={BASE: images}) for index in (split.train, split.validation))
    return train, validation
