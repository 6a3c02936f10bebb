"""The feature link: at every row of a stretch, and at every edge of a gap, the bars that follow must not matter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.audit.findings import Link, Offence
from deepstack.audit.futures import FUTURES, reaching
from deepstack.audit.side_by_side import side_by_side
from deepstack.candles.market import Candles, Market
from deepstack.errors import TooFewError
from deepstack.features.catalogue import EVERYTHING
from deepstack.features.table import FeatureTable, make_table
from deepstack.progress import Progress, no_progress

AHEAD_BARS = 24
"""Bars after a row that are replaced; what looks further is found because the whole table knew it."""
TOGETHER = 16
"""Rows that share one unchanged window."""
ROUNDING = 2e-6
"""Of a feature's scale: how far a window may differ from the whole, see the law of finite memory."""
SYMBOLS_AT_AN_EDGE = 2
ONE_PROCESS = 50_000
"""Values of a stretch that are looked at sooner than other processes have started."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """What is looked at.

    Attributes:
        moments: closes whose rows are checked for every symbol.
        edges: symbol and close, the first and last rows of every gap-free run.
    """

    moments: pd.DatetimeIndex
    edges: list[tuple[str, pd.Timestamp]]


def audit_features(
    market: Market, names: Sequence[str], rows: int, progress: Progress = no_progress, *, edges: bool = True
) -> Link:
    """Check every feature at every row of a stretch.

    Bars after a row are replaced by noise, by a constant, and taken away; the row computed from each must be the same
    in every bit as from the same bars with their own future, and as the whole table had it, within rounding.

    Args:
        market: the candles.
        names: features or channels.
        rows: of the stretch, over all symbols, around the middle of the candles.
        progress: told of every row.
        edges: whether to look at the edges of gaps too.
    """
    whole = make_table(market, names=names)
    stretch = stretch_of(_rows_of(whole), next(iter(market.values())).interval, rows, edges=edges)
    places = [*_blocks_of(market, stretch), *_edges_of(market, stretch)]
    enough = len(stretch.moments) + len(stretch.edges)

    def look(number: int) -> tuple[Offence | None, int]:
        return _first_offence(whole, *places[number])

    done = checked = 0
    found = side_by_side(look, range(len(places)), worth_it=enough * len(names) > ONE_PROCESS)
    for (offence, count), (_, block, _) in zip(found, places, strict=True):
        checked += count
        if offence:
            return Link("features", _covers(checked, stretch, names), offence)
        done += len(block)
        progress("audit features", done, enough)
    return Link("features", _covers(checked, stretch, names))


Place = tuple[Market, pd.DatetimeIndex, bool]
"""What rows are computed from, closes near each other, and whether symbols are missing that the whole table had."""


def _blocks_of(market: Market, stretch: Stretch) -> Iterator[Place]:
    for block in blocks(stretch.moments):
        yield market, block, False


def _edges_of(market: Market, stretch: Stretch) -> Iterator[Place]:
    for symbol, moment in stretch.edges:
        others = [name for name in market if name != symbol]
        others.sort(key=lambda name: not trades_at(market[name], moment))
        few = {name: market[name] for name in (symbol, *others)[:SYMBOLS_AT_AN_EDGE]}
        yield few, pd.DatetimeIndex([moment]), len(few) < len(market)


def _first_offence(
    whole: FeatureTable, market: Market, block: pd.DatetimeIndex, alone: bool
) -> tuple[Offence | None, int]:
    """Of a block, and the rows looked at."""
    checked = 0
    for offence, count in _block_offences(market, whole, block, alone=alone):
        checked += count
        if offence:
            return offence, checked
    return None, checked


def _rows_of(whole: FeatureTable) -> pd.DataFrame:
    symbols = np.array(whole.symbols)[whole.symbol]
    return pd.DataFrame({"symbol": symbols, "decision_time": pd.DatetimeIndex(whole.times).tz_localize("UTC")})


def stretch_of(known: pd.DataFrame, interval: pd.Timedelta, rows: int, *, edges: bool = True) -> Stretch:
    """Closes at which so many rows are known together, and the first and last known row of every run without a gap.

    The closes lie around the middle, so that what looks far ahead finds something there.

    Args:
        known: `symbol decision_time` of every row that could be looked at.
        interval: length of a bar.
        rows: over all symbols.
        edges: whether to look for those.
    """
    times, counts = np.unique(known["decision_time"].to_numpy("datetime64[ns]"), return_counts=True)
    middle = int(np.searchsorted(np.cumsum(counts), (counts.sum() - min(rows, counts.sum())) // 2))
    enough = int(np.searchsorted(np.cumsum(counts[middle:]), rows)) + 1
    moments = pd.DatetimeIndex(times[:-1][middle : middle + enough]).tz_localize("UTC")
    found = []
    for symbol, of_symbol in known.groupby("symbol", sort=False)["decision_time"] if edges else ():
        run = (of_symbol.diff() != interval).cumsum()
        for _, inside in of_symbol.groupby(run):
            found += [(str(symbol), moment) for moment in (inside.iloc[0], inside.iloc[-1]) if moment not in moments]
    return Stretch(moments, found)


def trades_at(candles: Candles, moment: pd.Timestamp) -> bool:
    """Whether a moment lies between the first and the last bar."""
    return bool(candles.frame.index[0] <= moment <= candles.frame.index[-1])


def blocks(moments: pd.DatetimeIndex) -> Iterator[pd.DatetimeIndex]:
    """Closes that share one unchanged window."""
    for start in range(0, len(moments), TOGETHER):
        yield moments[start : start + TOGETHER]


def _block_offences(
    market: Market, whole: FeatureTable, block: pd.DatetimeIndex, *, alone: bool = False
) -> Iterator[tuple[Offence | None, int]]:
    """An offence or None, and the rows looked at, for every close of a block.

    Args:
        market: what the rows are computed from.
        whole: the table of all candles.
        block: closes near each other.
        alone: other symbols are missing from the market, so that what compares with them differs from the whole table.
    """
    names = whole.names
    interval = next(iter(market.values())).interval
    first = block[0] - (whole.warmup_bars + 2) * interval
    around = reaching(market, first, block[-1], AHEAD_BARS)
    base = _table(around, names)
    if base is None:
        return
    for moment in block:
        for future, change in FUTURES.items():
            changed = _table(change(reaching(around, first, moment, AHEAD_BARS), moment, 0), names)
            if changed is None:
                continue
            rows, others = _shared_rows(base, changed, moment)
            offence = _difference(base, changed, rows, others, future)
            if offence is None and future == "truncation":
                offence = _unlike_whole(whole, changed, moment, alone)
            if offence:
                yield _with_lag(offence, around), len(rows)
                return
        yield None, len(rows) if changed is not None else 0


def _table(market: Market, names: Sequence[str]) -> FeatureTable | None:
    """The table, or None when no bar's features are known: too few bars yet, or no other symbol has any."""
    if not market or (len(market) == 1 and any("peers" in EVERYTHING[name].needs for name in names)):
        return None
    try:
        return make_table(market, names=names)
    except TooFewError:
        return None


def _shared_rows(base: FeatureTable, changed: FeatureTable, moment: pd.Timestamp) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both at or before the moment: positions in each."""
    early = np.flatnonzero(changed.times <= np.datetime64(moment.tz_localize(None)))
    if len(base.symbols) == 1 and np.array_equal(base.times[: len(early)], changed.times[early]):
        return early, early
    symbols = np.array(changed.symbols)[changed.symbol[early]]
    at = base.locate(symbols, pd.DatetimeIndex(changed.times[early]).tz_localize("UTC"))
    return at[at >= 0], early[at >= 0]


def _difference(
    base: FeatureTable, changed: FeatureTable, rows: np.ndarray, others: np.ndarray, future: str
) -> Offence | None:
    """The first value that moved with the future, by feature."""
    moved = base.values[rows].view(np.int32) != changed.values[others].view(np.int32)
    if not moved.any():
        return None
    column = int(np.flatnonzero(moved.any(axis=0))[0])
    row = int(rows[np.flatnonzero(moved[:, column])[-1]])
    return Offence(base.names[column], _place(base, row), f"moved when later bars became {future}")


def _unlike_whole(whole: FeatureTable, cut: FeatureTable, moment: pd.Timestamp, alone: bool) -> Offence | None:
    """A newest row that the whole table knew better than the bars up to it."""
    newest = np.flatnonzero(cut.times == np.datetime64(moment.tz_localize(None)))
    symbols = np.array(cut.symbols)[cut.symbol[newest]]
    at = whole.locate(symbols, pd.DatetimeIndex([moment] * len(newest)))
    known = at >= 0
    ours, theirs = cut.values[newest[known]].astype(np.float64), whole.values[at[known]].astype(np.float64)
    scale = np.maximum(_spread(whole), np.abs(theirs))
    apart = np.abs(ours - theirs) > ROUNDING * scale
    if alone:
        apart[:, ["peers" in EVERYTHING[name].needs for name in whole.names]] = False
    if not apart.any():
        return None
    column = int(np.flatnonzero(apart.any(axis=0))[0])
    row = int(at[known][np.flatnonzero(apart[:, column])[0]])
    how = f"differs from its value without later bars by more than {ROUNDING:g} of its scale"
    return Offence(whole.names[column], _place(whole, row), how)


_SPREADS: dict[int, np.ndarray] = {}


def _spread(table: FeatureTable) -> np.ndarray:
    """Interquartile range of each feature, float64 [features]; the last table's is kept."""
    if id(table) not in _SPREADS:
        _SPREADS.clear()
        quartiles = np.percentile(table.values[:: max(1, len(table) // 20_000)], (25, 75), axis=0)
        _SPREADS[id(table)] = np.asarray(quartiles[1] - quartiles[0], np.float64)
    return _SPREADS[id(table)]


def _with_lag(offence: Offence, around: Market) -> Offence:
    """The same offence, with how many bars ahead the feature looked, where one bar alone moves it."""
    symbol, time = offence.where.split(" ", 1)
    moment, names = pd.Timestamp(time), [offence.what]
    interval = next(iter(around.values())).interval
    value = _value(around, names, symbol, moment)
    for lag in range(1, AHEAD_BARS + 1):
        changed = {name: _one_bar_changed(candles, moment + lag * interval) for name, candles in around.items()}
        if _value(changed, names, symbol, moment) != value:
            return Offence(offence.what, offence.where, f"{offence.how}; looks {lag} bar{'s' * (lag > 1)} ahead")
    return Offence(offence.what, offence.where, f"{offence.how}; looks at no single one of {AHEAD_BARS} bars ahead")


def _value(market: Market, names: Sequence[str], symbol: str, moment: pd.Timestamp) -> float | None:
    table = _table(market, names)
    row = -1 if table is None else int(table.locate([symbol], pd.DatetimeIndex([moment]))[0])
    return None if table is None or row < 0 else float(table.values[row, 0])


def _one_bar_changed(candles: Candles, moment: pd.Timestamp) -> Candles:
    frame = candles.frame.copy()
    at = frame.index == moment
    frame.loc[at, :] = frame.loc[at, :] * 1.37
    return Candles(candles.symbol, candles.interval, frame)


def _place(table: FeatureTable, row: int) -> str:
    return f"{table.symbols[table.symbol[row]]} {pd.Timestamp(table.times[row]).tz_localize('UTC').isoformat()}"


def _covers(rows: int, stretch: Stretch, names: Sequence[str]) -> str:
    return (
        f"{len(names)} features × {len(stretch.moments):,} closes and {len(stretch.edges):,} edges of runs, "
        f"{rows:,} values each, × {len(FUTURES)} futures"
    )
