"""Products of two core features whose joint value means more than either: a breakout on volume, a trend in quiet."""

from deepstack.features import averages, breakout, price, risk, trend, volatility
from deepstack.features._shared import relative_volume
from deepstack.features.feature import Feature

LOG_VOLUME_20 = Feature(
    "log_relative_volume_20",
    "ln(volume / its mean over 20)",
    "log ratio",
    20,
    lambda b: breakout.log_relative_volume(b, 20),
)
RELATIVE_VOLUME_100 = Feature(
    "relative_volume_100", "volume / its mean over 100", "ratio", 100, lambda b: relative_volume(b, 100)
)

PAIRS: tuple[tuple[Feature, Feature], ...] = (
    (breakout.BREAKOUT_20, LOG_VOLUME_20),
    (breakout.BREAKOUT_20, RELATIVE_VOLUME_100),
    (breakout.BREAKOUT_20, trend.EFFICIENCY_20),
    (breakout.BREAKOUT_20, trend.TREND_AGREEMENT),
    (breakout.BREAKOUT_20, breakout.SQUEEZE_BEFORE_20),
    (breakout.BREAKOUT_20, volatility.VOLATILITY_RANK_200),
    (breakout.BREAKOUT_20, volatility.VOLATILITY_RATIO_20_100),
    (breakout.BREAKOUT_20, price.CLOSE_LOCATION),
    (breakout.BREAKOUT_20, price.BODY_RATIO),
    (breakout.BREAKOUT_20, breakout.CONSOLIDATION_20),
    (breakout.BREAKOUT_20, risk.SHARPE_50),
    (breakout.BREAKOUT_20, averages.DISTANCE_SMA_50),
    (breakout.BREAKOUT_EXCESS_20, LOG_VOLUME_20),
    (price.RETURN_5, LOG_VOLUME_20),
    (price.RETURN_5, volatility.VOLATILITY_RATIO_20_100),
    (price.RETURN_20, trend.EFFICIENCY_20),
    (price.RETURN_20, volatility.VOLATILITY_RANK_200),
    (trend.TREND_CORRELATION_50, price.RETURN_5),
    (trend.TREND_CORRELATION_50, volatility.VOLATILITY_RATIO_20_100),
    (averages.SPREAD_EMA_9_21, volatility.VOLATILITY_RANK_200),
    (trend.EFFICIENCY_20, breakout.SQUEEZE_20_100),
)


def _product(a: Feature, b: Feature) -> Feature:
    return Feature(
        f"{a.name}_x_{b.name}",
        f"{a.name} x {b.name}",
        f"{a.unit} x {b.unit}",
        max(a.lookback_bars, b.lookback_bars),
        lambda bars: a.on(bars) * b.on(bars),
        tuple(dict.fromkeys((*a.needs, *b.needs))),
    )


FEATURES: tuple[Feature, ...] = tuple(_product(a, b) for a, b in PAIRS)
