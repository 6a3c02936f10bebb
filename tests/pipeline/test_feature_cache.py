"""Features are worked out once for the same candles, and never taken for those of others."""

from dataclasses import replace

import numpy as np

from deepstack.candles.market import Market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.features.table import make_table
from deepstack.pipeline.feature_cache import FeatureCache

NAMES = ("upper_wick", "return_1")


def market() -> Market:
    return make_market(SyntheticConfig(symbols=2, bars=500, interval="1min"), seed=1)


def test_the_same_candles_are_worked_on_once() -> None:
    cache = FeatureCache(4, 60.0)
    wanted = make_table(market(), names=NAMES)
    for _ in range(3):
        found = cache(market(), names=NAMES)
        np.testing.assert_array_equal(found.values, wanted.values)
        found.values[:] = np.nan  # as scaling overwrites them
    assert (cache.hits, cache.misses) == (2, 1)


def test_other_candles_names_or_symbols_are_others() -> None:
    cache, known = FeatureCache(16, 60.0), market()
    cache(known, names=NAMES)
    moved = {name: replace(one, frame=one.frame * 1.001) for name, one in known.items()}
    shifted = {
        name: replace(one, frame=one.frame.set_axis((one.frame.index + one.interval).as_unit("ms")))
        for name, one in known.items()
    }
    shorter = {name: replace(one, frame=one.frame.iloc[:-1]) for name, one in known.items()}
    renamed = {f"{name}X": replace(one, symbol=f"{name}X") for name, one in known.items()}
    for other in (moved, shifted, shorter, renamed):
        cache(other, names=NAMES)
    cache(known, names=NAMES[::-1])
    assert (cache.hits, cache.misses) == (0, 6)


def test_size_and_age_are_bounds() -> None:
    small, short = FeatureCache(1, 60.0), FeatureCache(4, 0.0)
    for names in (NAMES, NAMES[::-1], NAMES):
        small(market(), names=names)
        short(market(), names=NAMES)
    assert small.hits == short.hits == 0
