"""Windows as images: each channel's summation and difference Gramian angular field, made in the graph."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from deepstack.gramian import FIELDS, Field, cosines_and_sines


@keras.saving.register_keras_serializable(package="deepstack")
class GramianAngularField(keras.layers.Layer):
    """`[batch, bars, channels]` to `[batch, size, size, channels × fields]`, the fields of a channel side by side.

    Every pixel is made by one product of [size, 2] and [2, size] that writes image and fields in their final order:
    cos(φᵢ + φⱼ) = cos φᵢ cos φⱼ − sin φᵢ sin φⱼ, sin(φᵢ − φⱼ) = sin φᵢ cos φⱼ − cos φᵢ sin φⱼ. Angles are made in
    float64, which costs nothing beside the image; the image has the layer's compute dtype. A constant window has the
    fields 1 and 0 everywhere. Differentiable; the gradient through a window's own extremes is taken as 0.

    Args:
        size: pixels a side, or a share of the bars, in (0, 1].
        fields: which, in order: `summation`, `difference`.
        joint: sizes of groups of channels, from the first, that are scaled together: (4,) keeps the relation of open,
            high, low and close.
        sample_range: what a window's minimum and maximum become, within [-1, 1]; None takes values as they are.
        overlapping: whether averaged segments are of one length and may overlap.

    Raises:
        ValueError: options out of their range.
        tf.errors.InvalidArgumentError: a value is NaN or infinite (not checked under XLA).

    Source: Wang & Oates 2015, Imaging time-series to improve classification and imputation.
    """

    def __init__(
        self,
        size: int | float,
        fields: tuple[Field, ...] = FIELDS,
        joint: tuple[int, ...] = (),
        sample_range: tuple[float, float] | None = (-1.0, 1.0),
        overlapping: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # prices in half precision would all be alike
        if not ((isinstance(size, int) and size > 0) or (isinstance(size, float) and 0.0 < size <= 1.0)):
            raise ValueError(f"size must be pixels or a share of the bars in (0, 1], not {size!r}")
        if not fields or not set(fields) <= set(FIELDS):
            raise ValueError(f"fields must be some of {FIELDS}, not {fields!r}")
        if sample_range is not None and not -1.0 <= sample_range[0] < sample_range[1] <= 1.0:
            raise ValueError(f"sample_range must rise within [-1, 1], not {sample_range!r}")
        self.size, self.fields, self.joint = size, tuple(fields), tuple(joint)
        self.sample_range = None if sample_range is None else (float(sample_range[0]), float(sample_range[1]))
        self.overlapping = overlapping

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check that the options fit the windows."""
        _, bars, channels = input_shape
        if bars is None or channels is None:
            raise ValueError(f"bars and channels must be known, not {input_shape}")
        if any(group < 1 for group in self.joint) or sum(self.joint) > channels:
            raise ValueError(f"joint must be sizes of groups among {channels} channels, not {self.joint}")
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Draw."""
        known = tf.debugging.check_numerics(tf.cast(inputs, tf.float32), "a window must be finite")
        windows, pixels = tf.cast(known, tf.float64), self._pixels(inputs.shape[1])
        cos, sin = cosines_and_sines(ops, windows, pixels, self.joint, self.sample_range, overlapping=self.overlapping)
        cos, sin = tf.cast(cos, tf.float32), tf.cast(sin, tf.float32)
        columns = {"summation": (cos, -sin), "difference": (-sin, cos)}
        # [batch, 2, size, channels, fields], then a channel's columns are 0 for the rows of the others.
        right = ops.stack([ops.stack(columns[field], axis=1) for field in self.fields], axis=-1)
        size, channels = cos.shape[1:]
        if channels > 1:
            right = right[:, :, None] * np.eye(channels, dtype=np.float32)[:, None, :, None]
        right = ops.reshape(right, (-1, 2 * channels, size * channels * len(self.fields)))
        left = ops.concatenate([cos, sin], axis=-1)
        image = ops.reshape(ops.matmul(left, right), (-1, size, size, channels * len(self.fields)))
        return ops.cast(image, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[batch, size, size, channels × fields]`."""
        batch, bars, channels = input_shape
        size = self._pixels(bars or 0)
        return batch, size, size, (channels or 0) * len(self.fields)

    def _pixels(self, bars: int) -> int:
        return self.size if isinstance(self.size, int) else int(np.ceil(self.size * bars))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        names = ("size", "fields", "joint", "sample_range", "overlapping")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
