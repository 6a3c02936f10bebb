"""Market → one float32 matrix: every chosen feature at every bar whose warm-up is complete."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.candles.interval import interval_text
from deepstack.candles.market import Market
from deepstack.config.features import FeaturesConfig
from deepstack.errors import DataError, DeepstackError, TooFewError
from deepstack.features._market import bars_of, carried_by
from deepstack.features.bars import Bars
from deepstack.features.catalogue import choose, named
from deepstack.features.feature import Feature

CHUNK_BARS = 16_384
"""Bars computed at once: small enough for the caches, large beside the warm-up that each chunk repeats."""

Symbols = Sequence[str] | np.ndarray | pd.Series
Times = np.ndarray | pd.Series | pd.DatetimeIndex
Progress = Callable[[int, int], None]
"""Called with (bars done, bars in all)."""


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of a whole market, rows ordered by symbol, then time.

    Attributes:
        values: float32 [rows, features], C order, finite.
        names: feature names, one a column.
        times: datetime64[ms] [rows], close time UTC of each row's bar.
        symbols: names of the symbols; `symbol` indexes them.
        symbol: int16 [rows].
        segment: int32 [rows], number of the gap-free run a row lies in, unique over the market: neighbouring rows
            of one segment are neighbouring bars.
        warmup_bars: bars cut at the start of every segment, longest lookback - 1.
    """

    values: np.ndarray
    names: tuple[str, ...]
    times: np.ndarray
    symbols: tuple[str, ...]
    symbol: np.ndarray
    segment: np.ndarray
    warmup_bars: int

    def __len__(self) -> int:
        return len(self.values)

    def locate(self, symbols: Symbols, times: Times) -> np.ndarray:
        """Row of each (symbol, close time) pair, int64 [pairs]; -1 where the table has none."""
        rows, age_ms = self._last_closed(symbols, times)
        return np.where(age_ms == 0, rows, -1)

    def locate_last(self, symbols: Symbols, times: Times, interval: pd.Timedelta) -> np.ndarray:
        """Row of the last bar each symbol had closed at each time, int64 [pairs].

        -1 where that bar is missing: the last row closed a whole `interval`, the table's own, or more before.
        """
        rows, age_ms = self._last_closed(symbols, times)
        return np.where(age_ms < interval // pd.Timedelta(1, "ms"), rows, -1)

    def _last_closed(self, symbols: Symbols, times: Times) -> tuple[np.ndarray, np.ndarray]:
        """Last row of each symbol at or before each time, and how long before, ms; -1 and a huge age without one."""
        wanted = pd.DatetimeIndex(pd.to_datetime(times, utc=True)).as_unit("ms").asi8
        code_of = {name: code for code, name in enumerate(self.symbols)}
        codes = np.array([code_of.get(name, -1) for name in symbols], dtype=np.int64)
        rows = np.full(len(wanted), -1, dtype=np.int64)
        age_ms = np.full(len(wanted), np.iinfo(np.int64).max)
        clock = self.times.astype(np.int64)
        bounds = np.searchsorted(self.symbol, np.arange(len(self.symbols) + 1))
        for code in np.unique(codes[codes >= 0]):
            first, last = bounds[code], bounds[code + 1]
            asked = np.flatnonzero(codes == code)
            found = first + np.searchsorted(clock[first:last], wanted[asked], side="right") - 1
            asked, found = asked[found >= first], found[found >= first]
            rows[asked], age_ms[asked] = found, wanted[asked] - clock[found]
        return rows, age_ms


def make_table(
    market: Market,
    config: FeaturesConfig = FeaturesConfig(),  # noqa: B008 - frozen
    *,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> FeatureTable:
    """Compute the features of every bar of a market whose warm-up is complete.

    Nothing is computed across a missing bar: every gap-free run starts anew and loses its warm-up. The work is spread
    over threads (the array code releases the interpreter lock), so it is safe in a process that runs TensorFlow.

    Args:
        market: symbol → candles.
        config: which groups to use, which features to leave out.
        names: compute exactly these features in this order; `config` is then not consulted.
        progress: told (bars done, bars in all) after each chunk.

    Raises:
        TooFewError: no run is longer than the warm-up.
        DataError: the market lacks what a requested feature needs.
        ConfigError: an unknown group or feature.
    """
    carried = carried_by(market)
    features = named(names, carried) if names is not None else choose(config, carried)
    warmup = max(feature.lookback_bars for feature in features) - 1
    runs = _runs(market, warmup)
    rows = sum(run.stop - run.start for run in runs)
    if rows == 0:
        raise _too_few_bars(market, warmup)
    table = FeatureTable(
        values=np.empty((rows, len(features)), dtype=np.float32),
        names=tuple(feature.name for feature in features),
        times=np.empty(rows, dtype="datetime64[ms]"),
        symbols=tuple(market),
        symbol=np.empty(rows, dtype=np.int16),
        segment=np.empty(rows, dtype=np.int32),
        warmup_bars=warmup,
    )
    _fill(table, market, features, runs, progress)
    return table


def latest_row(market: Market, symbol: str, names: Sequence[str]) -> np.ndarray:
    """Features of the last bar of one symbol, float32 [features]: the serving path, by the same feature code.

    Args:
        market: trailing candles; more than the longest lookback is not looked at. Symbols other than `symbol` are
            used only by features that need peers.
        symbol: whose last bar.
        names: the features, in order.

    Raises:
        DataError: the symbol is absent, its last gap-free run is shorter than the longest lookback, or a feature's
            needs are not met.
    """
    features = named(names, carried_by(market))
    need = max(feature.lookback_bars for feature in features)
    if symbol not in market:
        raise DataError(
            symbol, expected="candles of this symbol", received=", ".join(market), remedy="sending them too"
        )
    last_run = market[symbol].segments()[-1:]
    have = last_run[0].stop - last_run[0].start if last_run else 0
    if have < need:
        raise DataError(
            symbol,
            expected=f"{need} bars without a gap up to the last one",
            received=f"{have}",
            remedy="sending a longer window of candles",
        )
    bars = bars_of(market, symbol, tail=need)
    return _block(bars, features, rows=1)[:, 0]


@dataclass(frozen=True)
class _Run:
    """A gap-free run of candles and the table rows [start, stop) its bars fill, warm-up cut."""

    symbol: str
    segment: int
    bars: slice
    start: int
    stop: int


def _runs(market: Market, warmup: int) -> list[_Run]:
    runs: list[_Run] = []
    row = segment = 0
    for symbol, candles in market.items():
        for bars in candles.segments():
            count = max(bars.stop - bars.start - warmup, 0)
            if count:
                runs.append(_Run(symbol, segment, bars, row, row + count))
            row, segment = row + count, segment + 1
    return runs


def _too_few_bars(market: Market, warmup: int) -> TooFewError:
    lengths = [
        (max((run.stop - run.start for run in candles.segments()), default=0), symbol)
        for symbol, candles in market.items()
    ]
    longest, owner = max(lengths, default=(0, "candles"))
    of_interval = f" of {interval_text(market[owner].interval)}" if owner in market else ""
    return TooFewError(
        owner,
        expected=f"at least {warmup + 1} bars{of_interval} without a gap for the features' warm-up",
        received=f"a longest run of {longest}",
        remedy="more candles, a shorter bar interval, or feature groups with a shorter lookback",
    )


def _fill(
    table: FeatureTable,
    market: Market,
    features: Sequence[Feature],
    runs: Sequence[_Run],
    progress: Progress | None,
) -> None:
    total, done = len(table), 0
    with _mapping(_workers(total)) as each:
        for code, symbol in enumerate(table.symbols):
            mine = [run for run in runs if run.symbol == symbol]
            if not mine:
                continue
            whole = bars_of(market, symbol)
            for run in mine:
                rows = slice(run.start, run.stop)
                table.times[rows] = whole.close_ms[run.bars][table.warmup_bars :].astype("datetime64[ms]")
                table.symbol[rows], table.segment[rows] = code, run.segment

            def compute(chunk: tuple[slice, slice], whole: Bars = whole) -> int:
                bars, rows = chunk
                table.values[rows] = _block(whole.part(bars), features, rows.stop - rows.start).T
                return rows.stop - rows.start

            for count in each(compute, [chunk for run in mine for chunk in _chunks(run, table.warmup_bars)]):
                done += count
                if progress is not None:
                    progress(done, total)


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[..., Iterator[int]]]:
    """`map` over so many threads; over none for one, whose start would take as long as a small table."""
    if workers == 1:
        yield map
        return
    with ThreadPoolExecutor(max_workers=workers) as pool:
        yield pool.map


def _workers(rows: int) -> int:
    if rows <= CHUNK_BARS:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunks(run: _Run, warmup: int) -> Iterator[tuple[slice, slice]]:
    """(bars to compute on, table rows they fill). The grid starts with the run, so later bars never move it."""
    for offset in range(0, run.stop - run.start, CHUNK_BARS):
        end = min(offset + CHUNK_BARS, run.stop - run.start)
        first = run.bars.start + offset
        yield slice(first, first + warmup + end - offset), slice(run.start + offset, run.start + end)


def _values(feature: Feature, bars: Bars) -> np.ndarray:
    try:
        return feature.on(bars)
    except (DeepstackError, MemoryError):
        raise
    except Exception as error:  # a feature of one's own may do anything
        raise DataError(
            f"feature {feature.name}",
            expected="a value a bar, on runs of any length",
            received=f"{type(error).__name__}: {str(error)[:100]}",
            remedy="mending its compute",
        ) from error


def _block(bars: Bars, features: Sequence[Feature], rows: int) -> np.ndarray:
    """The last `rows` values of each feature, clipped: float32 [features, rows]."""
    out = np.empty((len(features), rows), dtype=np.float32)
    for line, feature in zip(out, features, strict=True):
        line[:] = _values(feature, bars)[-rows:]
    if not np.isfinite(out).all():
        broken = [feature.name for line, feature in zip(out, features, strict=True) if not np.isfinite(line).all()]
        raise DataError(
            f"feature {broken[0]}",
            expected="finite values after the warm-up",
            received="NaN or infinity",
            remedy="checking the candles with `deepstack data`, or naming it under features.exclude",
        )
    limits = np.array([feature.limit for feature in features], np.float32)[:, None]
    return np.clip(out, -limits, limits, out=out)
