"""Candles of a run: read from its files, or made."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.interval import parse_interval
from deepstack.candles.load import read_market
from deepstack.candles.market import Market
from deepstack.candles.names import choose_symbols
from deepstack.candles.resample import resample
from deepstack.candles.synthetic import make_market
from deepstack.config.run import RunConfig
from deepstack.progress import Progress, no_progress


@dataclass(frozen=True, eq=False)
class Source:
    """A market and what the report says of it."""

    market: Market
    facts: dict[str, Any]

    @property
    def interval(self) -> pd.Timedelta:
        """Length of a bar, the same for all symbols."""
        return next(iter(self.market.values())).interval


def load_source(config: RunConfig, progress: Progress = no_progress) -> Source:
    """Read the config's files, or make the synthetic market when it names none.

    Raises:
        DataError: files that cannot be used under the config's repair mode, or a symbol that is not there.
        ConfigError: an interval of the synthetic market that is none.
    """
    data = config.data
    if data.paths:
        market, report = read_market(
            data.paths,
            repair=data.repair,
            symbols=data.symbols,
            resample=data.resample,
            progress=partial(progress, "read"),
        )
        found = {"problems": [p.as_dict() for p in report.problems], "repairs": [r.as_dict() for r in report.repairs]}
        return Source(market, {**describe(market), "source": "files", **found})
    market = make_market(data.synthetic, config.seed)
    wanted = choose_symbols(market, data.symbols, "the synthetic market")
    market = {symbol: candles for symbol, candles in market.items() if symbol in wanted}
    if data.resample is not None:
        interval = parse_interval(data.resample, "data.resample")
        market = {symbol: resample(candles, interval) for symbol, candles in market.items()}
    return Source(market, {**describe(market), "source": "synthetic"})


def describe(market: Market) -> dict[str, Any]:
    """Symbols, bars, first and last closing time, bar interval and fingerprint of a market."""
    indices = [candles.frame.index for candles in market.values()]
    return {
        "symbols": list(market),
        "bars": sum(len(index) for index in indices),
        "first": min(index[0] for index in indices).isoformat(),
        "last": max(index[-1] for index in indices).isoformat(),
        "interval_s": next(iter(market.values())).interval.total_seconds(),
        "gaps": sum(len(candles.segments()) - 1 for candles in market.values()),
        "fingerprint": fingerprint(market),
    }
