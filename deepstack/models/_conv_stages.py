"""The convolutional stage that several networks begin with: Conv1D, batch norm, ReLU, maximum pooling, dropout."""

from typing import Any

import keras


def conv_stages(x: Any, filters: tuple[int, ...], kernel_size: int, pool: int, dropout: float) -> Any:
    """One stage for each of `filters`: `[batch, time, units]` to `[batch, ⌈time / poolⁿ⌉, filters[-1]]`."""
    for i, channels in enumerate(filters):
        x = keras.layers.Conv1D(channels, kernel_size, padding="same", use_bias=False, name=f"conv_{i}")(x)
        x = keras.layers.ReLU(name=f"relu_{i}")(keras.layers.BatchNormalization(name=f"norm_{i}")(x))
        x = keras.layers.MaxPooling1D(pool, padding="same", name=f"pool_{i}")(x)
        x = keras.layers.Dropout(dropout, name=f"dropout_{i}")(x)
    return x
