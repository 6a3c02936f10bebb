"""The channels of `features/candle.py` in a graph: what a bar's own five numbers give by plain arithmetic."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

COLUMNS = ("open", "high", "low", "close", "volume")
"""Of the input `candles`."""

Channel = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]

CHANNELS: dict[str, Channel] = {
    "open": lambda bar: bar["open"],
    "high": lambda bar: bar["high"],
    "low": lambda bar: bar["low"],
    "close": lambda bar: bar["close"],
    "volume": lambda bar: bar["volume"],
    "body": lambda bar: bar["close"] - bar["open"],
    "upper_shadow": lambda bar: bar["high"] - tf.maximum(bar["open"], bar["close"]),
    "lower_shadow": lambda bar: tf.minimum(bar["open"], bar["close"]) - bar["low"],
}


def of_candles(candles: tf.Tensor, names: Sequence[str]) -> tf.Tensor:
    """float32 [batch, bars, 5] to [batch, bars, features], the features in the order of `names`, all of `CHANNELS`."""
    bar = dict(zip(COLUMNS, tf.unstack(candles, num=len(COLUMNS), axis=-1), strict=True))
    return tf.stack([CHANNELS[name](bar) for name in names], axis=-1)
