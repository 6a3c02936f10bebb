"""Squares and cubes of bounded core features: curvature that a linear model, and a first layer, can use at once."""

import numpy as np

from deepstack.features import breakout, price, trend, volatility
from deepstack.features.feature import Feature

CORE = (
    price.BODY_RATIO,
    price.CLOSE_LOCATION,
    breakout.CHANNEL_POSITION_20,
    breakout.CHANNEL_POSITION_100,
    trend.EFFICIENCY_20,
    trend.TREND_CORRELATION_50,
    trend.UP_DOWN_BALANCE_20,
    trend.TREND_AGREEMENT,
    volatility.VOLATILITY_RANK_200,
)
"""All within [-1, 1]."""


def _square(core: Feature) -> Feature:
    return Feature(
        f"{core.name}_squared",
        f"{core.name}²",
        f"{core.unit}²",
        core.lookback_bars,
        lambda b: np.square(core.on(b)),
        core.needs,
    )


def _cube(core: Feature) -> Feature:
    return Feature(
        f"{core.name}_cubed",
        f"{core.name}³",
        f"{core.unit}³",
        core.lookback_bars,
        lambda b: core.on(b) * np.square(core.on(b)),
        core.needs,
    )


FEATURES: tuple[Feature, ...] = (*(_square(core) for core in CORE), *(_cube(core) for core in CORE))
