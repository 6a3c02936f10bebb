"""Candles without direction: every bar's moves kept or turned upside down at random, all symbols together."""

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles, Market
from deepstack.candles.times import index_ms


def mirrored(market: Market, seed: int) -> Market:
    """The same market with the sign of each bar drawn anew.

    A bar's return and excursions, as logarithms from the close before it, are multiplied by +1 or -1; a bar turned
    over has its high for its low, and what was bought for what was sold. The sign is one for all symbols at a moment,
    so what ties symbols together stays; volatility, volume and gaps stay too. What is gone is direction: no rule can
    foresee the sign of any move.

    Args:
        market: symbol → candles.
        seed: of the signs.
    """
    moments = np.unique(np.concatenate([index_ms(candles.frame.index) for candles in market.values()]))
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], len(moments))
    return {symbol: _mirror(candles, moments, signs) for symbol, candles in market.items()}


def _mirror(candles: Candles, moments: np.ndarray, signs: np.ndarray) -> Candles:
    frame = candles.frame
    sign = signs[np.searchsorted(moments, index_ms(frame.index))]
    opened, high, low, close = (np.log(frame[name].to_numpy()) for name in ("open", "high", "low", "close"))
    before = np.concatenate([opened[:1], close[:-1]])
    path = opened[0] + np.cumsum(sign * (close - before))
    level = np.concatenate([opened[:1], path[:-1]])
    upper, lower = (level + sign * (extreme - before) for extreme in (high, low))
    columns = {
        "open": level + sign * (opened - before),
        "high": np.maximum(upper, lower),
        "low": np.minimum(upper, lower),
        "close": path,
    }
    changed = frame.assign(**{name: np.exp(values) for name, values in columns.items()})
    if "taker_buy_volume" in frame.columns:
        bought = frame["taker_buy_volume"]
        changed["taker_buy_volume"] = np.where(sign > 0.0, bought, frame["volume"] - bought)
    return Candles(candles.symbol, candles.interval, pd.DataFrame(changed))
