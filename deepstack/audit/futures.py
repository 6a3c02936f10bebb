"""Other futures of the same past: what the bars after a moment are replaced by."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from deepstack.candles.market import PRICE_COLUMNS, Candles, Market


def noise(market: Market, moment: pd.Timestamp, seed: int = 0) -> Market:
    """Every bar that closes later becomes one of another, wilder history with other volumes."""
    random = np.random.default_rng([seed, int(moment.value % 2**31)])
    return {name: _noisy(candles, moment, random) for name, candles in market.items()}


def constant(market: Market, moment: pd.Timestamp, seed: int = 0) -> Market:
    """The price stands still at the last close, and nothing is traded."""
    return {name: _still(candles, moment) for name, candles in market.items()}


def truncation(market: Market, moment: pd.Timestamp, seed: int = 0) -> Market:
    """There is no later bar; a symbol without an earlier one is gone."""
    cut = {name: Candles(name, c.interval, c.frame[c.frame.index <= moment]) for name, c in market.items()}
    return {name: candles for name, candles in cut.items() if len(candles)}


FUTURES: dict[str, Callable[[Market, pd.Timestamp, int], Market]] = {
    "noise": noise,
    "constant": constant,
    "truncation": truncation,
}
"""Name → (market, moment, seed) → the same market up to the moment, with another future."""


def window(market: Market, first: pd.Timestamp, last: pd.Timestamp) -> Market:
    """The bars that close after `first`, up to and including `last`; symbols without one are left out."""
    cut = {
        name: Candles(name, c.interval, c.frame[(c.frame.index > first) & (c.frame.index <= last)])
        for name, c in market.items()
    }
    return {name: candles for name, candles in cut.items() if len(candles)}


def reaching(market: Market, first: pd.Timestamp, moment: pd.Timestamp, ahead_bars: int) -> Market:
    """The bars after `first`, up to so many of each symbol's next ones after `moment`, however long a gap is there."""
    cut = {}
    for name, candles in market.items():
        index = candles.frame.index
        start, stop = (int(index.searchsorted(time, side="right")) for time in (first, moment))
        cut[name] = Candles(name, candles.interval, candles.frame.iloc[start : stop + ahead_bars])
    return {name: candles for name, candles in cut.items() if len(candles)}


def _noisy(candles: Candles, moment: pd.Timestamp, random: np.random.Generator) -> Candles:
    frame = candles.frame.copy()
    count = int((frame.index > moment).sum())
    if count == 0:
        return candles
    start = frame["close"].iloc[max(len(frame) - count - 1, 0)]
    close = start * np.exp(np.cumsum(0.02 * random.standard_t(4, count)))
    opened = np.concatenate([[start], close[:-1]]) * np.exp(0.003 * random.normal(size=count))
    reach = np.exp(0.01 * random.exponential(size=(2, count)))
    values = {
        "open": opened,
        "high": np.maximum(opened, close) * reach[0],
        "low": np.minimum(opened, close) / reach[1],
        "close": close,
        "volume": random.lognormal(3.0, 2.0, count),
    }
    values["trades"] = np.ceil(random.lognormal(3.0, 1.0, count))
    values["taker_buy_volume"] = values["volume"] * random.uniform(size=count)
    for name in frame.columns:
        past = frame[name].to_numpy()[:-count]
        frame[name] = np.concatenate([past, values.get(name, random.normal(size=count))])
    return Candles(candles.symbol, candles.interval, frame)


def _still(candles: Candles, moment: pd.Timestamp) -> Candles:
    frame = candles.frame.copy()
    count = int((frame.index > moment).sum())
    if count == 0:
        return candles
    price = frame["close"].iloc[max(len(frame) - count - 1, 0)]
    for name in frame.columns:
        later = np.full(count, price if name in PRICE_COLUMNS else 0.0)
        frame[name] = np.concatenate([frame[name].to_numpy()[:-count], later])
    return Candles(candles.symbol, candles.interval, frame)
