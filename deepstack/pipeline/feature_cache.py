"""Features worked out once for all that ask for the same: the members of an ensemble, clients with the same candles."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from cachetools import TTLCache

from deepstack.candles.market import Market
from deepstack.candles.times import index_ms
from deepstack.config.features import FeaturesConfig
from deepstack.features.table import FeatureTable, make_table


class FeatureCache:
    """`make_table` that remembers tables by the content of the candles, so that other candles are never mistaken.

    Args:
        size: tables at most; the one not asked for longest goes first.
        ttl_s: seconds that a table is kept.

    Attributes:
        hits, misses: tables that were there, and those worked out.
    """

    def __init__(self, size: int, ttl_s: float) -> None:
        self.hits = self.misses = 0
        self._tables: TTLCache[bytes, FeatureTable] = TTLCache(size, ttl_s)
        self._lock = threading.Lock()

    def __call__(
        self,
        market: Market,
        features: FeaturesConfig = FeaturesConfig(),  # noqa: B008 - frozen
        *,
        names: Sequence[str] | None = None,
        **more: Any,
    ) -> FeatureTable:
        """As `make_table`, whose arguments these are; the values are the caller's own."""
        key = _digest(market, features, names)
        with self._lock:
            table = self._tables.get(key)
            self.hits, self.misses = self.hits + (table is not None), self.misses + (table is None)
        if table is None:
            table = make_table(market, features, names=names, **more)
            with self._lock:
                self._tables[key] = table
        return replace(table, values=table.values.copy())


def _digest(market: Market, features: FeaturesConfig, names: Sequence[str] | None) -> bytes:
    asked = features if names is None else tuple(names)
    about = [(name, candles.interval, list(candles.frame)) for name, candles in market.items()]
    said = blake2b(repr((asked, about)).encode())
    for candles in market.values():
        said.update(len(candles.frame).to_bytes(8, "little"))
        said.update(index_ms(candles.frame.index).tobytes())
        for _, column in candles.frame.items():
            said.update(column.to_numpy().tobytes())
    return said.digest()
