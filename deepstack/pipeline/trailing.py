"""How many trailing candles an answer needs, and cutting a market to them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact
from deepstack.candles.interval import parse_interval
from deepstack.candles.market import Candles, Market
from deepstack.candles.times import index_ms
from deepstack.config.labels import LabelsConfig
from deepstack.features.catalogue import EVERYTHING, MAX_LOOKBACK_BARS

SETTLED = 2
"""Lookbacks of bars that a feature is worked out on: one fixes it within 1e-6 of its scale, two to rounding."""


def seen_bars(names: Sequence[str] | None, window_bars: int) -> int:
    """Bars of one timeframe, the decision's included, that fix a window of these features; None: of any features."""
    longest = MAX_LOOKBACK_BARS if names is None else max(EVERYTHING[name].lookback_bars for name in names)
    return SETTLED * longest + window_bars + 1


def asked_bars(config: LabelsConfig) -> int:
    """Bars, the decision's included, that say whether the question is asked there."""
    if config.kind == "breakout":
        return max(config.channel_bars, config.atr_bars) + 2
    return config.horizons.volatility_bars + 2


def trailing_span(artifact: Artifact) -> pd.Timedelta:
    """Length of time before a decision whose candles, of every symbol, fix its answer."""
    config, interval = artifact.config, pd.Timedelta(artifact.manifest.data["interval_s"], "s")
    others = [parse_interval(text, "samples.timeframes") for text in config.samples.timeframes]
    coarsest = max([interval, *others])
    # Two more: the decision may fall just before a coarse bar closes, and the span may begin just after one opened.
    seen = (seen_bars(artifact.features, config.samples.window_bars) + 2) * coarsest
    return max(seen, asked_bars(config.labels) * interval)


def recent(market: Market, since: pd.Timestamp | None, bars: int) -> Market:
    """What moments from `since` on see of a market: that bar, the `bars` − 1 before it and all later; None: all."""
    if since is None:
        return market
    return {name: between(candles, since - bars * candles.interval, None) for name, candles in market.items()}


def between(candles: Candles, after: pd.Timestamp, until: pd.Timestamp | None) -> Candles:
    """The bars that close later than `after` and, where given, not later than `until`."""
    clock = index_ms(candles.frame.index)
    first = np.searchsorted(clock, after.value // 1_000_000, "right")
    last = len(clock) if until is None else np.searchsorted(clock, until.value // 1_000_000, "right")
    return Candles(candles.symbol, candles.interval, candles.frame.iloc[first:last])
