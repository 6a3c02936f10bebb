"""The candle itself, in its own prices: channels for models that scale every window by themselves.

They carry the instrument's price and volume scale, so no model gets them unless `features.names` asks for them.
"""

import numpy as np

from deepstack.features.bars import Bars
from deepstack.features.feature import Feature


def body(bars: Bars) -> np.ndarray:
    """Close less open."""
    return bars.close - bars.open


def upper_shadow(bars: Bars) -> np.ndarray:
    """High above the body."""
    return bars.high - np.maximum(bars.open, bars.close)


def lower_shadow(bars: Bars) -> np.ndarray:
    """Body above the low."""
    return np.minimum(bars.open, bars.close) - bars.low


CHANNELS: tuple[Feature, ...] = (
    Feature("open", "open", "price", 1, lambda bars: bars.open, limit=np.inf),
    Feature("high", "high", "price", 1, lambda bars: bars.high, limit=np.inf),
    Feature("low", "low", "price", 1, lambda bars: bars.low, limit=np.inf),
    Feature("close", "close", "price", 1, lambda bars: bars.close, limit=np.inf),
    Feature("volume", "volume", "base units", 1, lambda bars: bars.volume, limit=np.inf),
    Feature("body", "close − open", "price", 1, body, limit=np.inf),
    Feature("upper_shadow", "high − max(open, close)", "price", 1, upper_shadow, limit=np.inf),
    Feature("lower_shadow", "min(open, close) − low", "price", 1, lower_shadow, limit=np.inf),
)
