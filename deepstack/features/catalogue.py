"""What exists: every feature group by name. A new group is one file beside this one and one line here."""

from collections import ChainMap
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from deepstack.config.features import FeaturesConfig
from deepstack.errors import ConfigError, DataError
from deepstack.features import (
    averages,
    breakout,
    calendar,
    candle,
    channels,
    cross_asset,
    interactions,
    microstructure,
    momentum,
    polynomial,
    price,
    risk,
    statistics,
    trend,
    trend_indicators,
    volatility,
    volume,
    waves,
)
from deepstack.features.feature import Feature

MAX_LOOKBACK_BARS = 420
"""No feature remembers longer: every gap in the data costs a warm-up, and serving keeps this many bars."""

GROUPS: dict[str, tuple[Feature, ...]] = {
    "price": price.FEATURES,
    "averages": averages.FEATURES,
    "volatility": volatility.FEATURES,
    "breakout": breakout.FEATURES,
    "risk": risk.FEATURES,
    "trend": trend.FEATURES,
    "calendar": calendar.FEATURES,
    "statistics": statistics.FEATURES,
    "waves": waves.FEATURES,
    "momentum": momentum.FEATURES,
    "trend_indicators": trend_indicators.FEATURES,
    "channels": channels.FEATURES,
    "volume": volume.FEATURES,
    "microstructure": microstructure.FEATURES,
    "cross_asset": cross_asset.FEATURES,
    "polynomial": polynomial.FEATURES,
    "interactions": interactions.FEATURES,
}

CHANNELS: dict[str, Feature] = {channel.name: channel for channel in candle.CHANNELS}
"""Series in prices and volumes; in no group, used where `features.names` asks for them."""

FEATURES: dict[str, Feature] = {feature.name: feature for group in GROUPS.values() for feature in group}
"""Every feature by name, in the order of the table's columns."""

EVERYTHING: Mapping[str, Feature] = ChainMap(FEATURES, CHANNELS)
"""What can be asked for by name."""

GROUP_OF: dict[str, str] = {feature.name: name for name, group in GROUPS.items() for feature in group}
"""Feature name → group name; channels are of the group `candle`."""
GROUP_OF |= dict.fromkeys(CHANNELS, "candle")


def choose(config: FeaturesConfig, carried: frozenset[str]) -> tuple[Feature, ...]:
    """The features a config asks for, in catalogue order.

    Args:
        config: groups to use (none: every group) and names to leave out; or exactly which, in which order.
        carried: what the market carries beyond OHLCV: `trades`, `taker_buy_volume`, `peers`.

    Raises:
        ConfigError: an unknown group or feature name, or nothing left.
        DataError: a group named in the config needs what the market does not carry.
    """
    if config.names:
        return named(config.names, carried, "features.names")
    for group in config.groups:
        _known(group, GROUPS, "features.groups", "group")
    for name in config.exclude:
        _known(name, FEATURES, "features.exclude", "feature")
    kept = [f for f in FEATURES.values() if f.name not in config.exclude]
    if config.groups:
        kept = [f for f in kept if GROUP_OF[f.name] in config.groups]
        for feature in kept:
            _carried(feature, carried)
    kept = [f for f in kept if carried.issuperset(f.needs)]
    if not kept:
        raise ConfigError("features", expected="a feature to use", received="none", remedy="excluding less")
    return tuple(kept)


def named(names: Sequence[str], carried: frozenset[str], where: str = "feature list") -> tuple[Feature, ...]:
    """Exactly these features in this order; raises as `choose`, of the key `where`."""
    features = []
    for name in names:
        try:
            feature = EVERYTHING[name]
        except KeyError:
            _known(name, EVERYTHING, where, "feature")
            raise
        if feature.needs:
            _carried(feature, carried)
        features.append(feature)
    if not features:
        raise ConfigError(where, expected="at least one feature", received="none", remedy="naming some")
    return tuple(features)


def _known(name: str, known: Collection[str], where: str, kind: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        remedy = repr(near[0]) if near else "a name from docs/features.md"
        raise ConfigError(where, expected=f"a {kind} of the catalogue", received=repr(name), remedy=remedy)


def _carried(feature: Feature, carried: frozenset[str]) -> None:
    missing = [need for need in feature.needs if need not in carried]
    if missing:
        what = ", ".join("a second symbol" if need == "peers" else f"column {need}" for need in missing)
        raise DataError(
            f"feature {feature.name}",
            expected=f"{what} in every symbol's candles" if missing != ["peers"] else what,
            received="candles without",
            remedy="candles that have it, or to train without it: features.exclude",
        )
