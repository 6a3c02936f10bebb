"""Links that carry time: candles, coarser candles and windows, checked on every row by data that says when it is from.

A feature can be asked only whether it moves; a window can be asked what it holds. Here every bar's prices are its own
number, so that whatever comes out of resampling or windowing tells the newest bar that went in.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from deepstack.audit.findings import Link, Offence
from deepstack.candles.market import Candles, Market
from deepstack.candles.times import index_ms
from deepstack.config.run import RunConfig
from deepstack.errors import DataError
from deepstack.features.bars import Bars
from deepstack.features.catalogue import CHANNELS
from deepstack.features.feature import Feature
from deepstack.models import catalogue
from deepstack.models.inputs import WHEN
from deepstack.pipeline import inputs as pipeline_inputs

CHUNK = 4096
NUMBER, SYMBOL = "audit_bar_number", "audit_symbol"


def audit_candles(market: Market) -> Link:
    """Every symbol's rows stand in the order in which they became known, each once, on the clock of its bars."""
    rows = 0
    for symbol, candles in market.items():
        times = index_ms(candles.frame.index)
        rows += len(times)
        step = np.diff(times)
        wrong = np.flatnonzero((step <= 0) | (step % int(candles.interval // pd.Timedelta(1, "ms")) != 0))
        if wrong.size:
            row = int(wrong[0]) + 1
            where = f"{symbol} row {row}, {pd.Timestamp(int(times[row]), unit='ms', tz='UTC').isoformat()}"
            how = "a second row of one moment" if step[row - 1] == 0 else "a row out of order or off the clock"
            return Link("candles", f"{rows:,} rows", Offence("candles", where, how))
    return Link("candles", f"{rows:,} rows of {len(market)} symbols")


def audit_coarser(market: Market, config: RunConfig) -> Link:
    """No coarser candle holds a bar that closed after it."""
    name = "coarser candles"
    entry = catalogue.line_of(config.model)
    interval = next(iter(market.values())).interval
    frames = pipeline_inputs.coarser(config.samples.timeframes, entry.sees, interval)
    if not frames:
        return Link(name, "", skipped="one timeframe")
    rows = 0
    for text, length in frames:
        for symbol, candles in numbered(market).items():
            coarse = pipeline_inputs.resample(candles, length)
            closed = index_ms(candles.frame.index).searchsorted(index_ms(coarse.frame.index), side="right") - 1
            newest = coarse.frame[["open", "high", "low", "close"]].to_numpy().max(axis=1) - 1
            rows += len(coarse)
            late = np.flatnonzero(newest > closed)
            if late.size:
                row = int(late[0])
                lag = int(newest[row] - closed[row])
                where = f"{symbol} {coarse.frame.index[row].isoformat()}"
                return Link(
                    name, f"{rows:,} rows", Offence(f"candle of {text}", where, f"holds a bar {lag} bars later")
                )
    return Link(name, f"{rows:,} rows of {', '.join(text for text, _ in frames)}")


def audit_windows(market: Market, moments: pd.DataFrame, config: RunConfig) -> Link:
    """What every sample's window holds had closed at its decision, is its own symbol's, and ends with the newest bar.

    Args:
        market: the candles.
        moments: symbol and decision_time of every sample.
        config: of the model.
    """
    name = "windows"
    entry = catalogue.line_of(config.model)
    tainted = numbered(market)
    code_of = {symbol: number for number, symbol in enumerate(tainted)}
    with _markers(tainted):
        try:
            seen = pipeline_inputs.see(tainted, moments, entry, config.features, config.samples, names=(NUMBER, SYMBOL))
        except DataError as error:
            return Link(name, "", skipped=str(error))
    asked = moments[seen.known].reset_index(drop=True)
    symbols = asked["symbol"].map(code_of).to_numpy()
    decided = _numbers_at(tainted, asked)
    places = 0
    for key, values in seen.inputs.items():
        if key == WHEN:
            continue
        for start in range(0, len(values), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(values)))
            held = np.asarray(values[rows], np.float64).reshape(len(rows), -1, 2)
            places += held.shape[0] * held.shape[1]
            offence = _late(held, decided[rows], symbols[rows], asked.iloc[rows], key)
            if offence:
                return Link(name, f"{places:,} bars", offence)
    return Link(name, f"{len(asked):,} samples, {places:,} bars in {', '.join(k for k in seen.inputs if k != WHEN)}")


def numbered(market: Market) -> Market:
    """The same bars with their number, counted from 1 within the symbol, for every price."""
    tainted = {}
    for symbol, candles in market.items():
        frame = candles.frame.copy()
        for column in ("open", "high", "low", "close"):
            frame[column] = np.arange(1.0, len(frame) + 1.0)
        tainted[symbol] = Candles(symbol, candles.interval, frame)
    return tainted


@contextmanager
def _markers(tainted: Market) -> Iterator[None]:
    """Two channels for the time of the audit: a bar's number, and its symbol's."""

    def number(bars: Bars) -> np.ndarray:
        return bars.close.copy()

    def symbol(bars: Bars) -> np.ndarray:
        return bars.volume.copy()

    marks = [Feature(NUMBER, "the close", "bars", 1, number, limit=1e9), Feature(SYMBOL, "the volume", "", 1, symbol)]
    for code, candles in enumerate(tainted.values()):
        candles.frame["volume"] = float(code)
    CHANNELS.update({mark.name: mark for mark in marks})
    try:
        yield
    finally:
        for mark in marks:
            CHANNELS.pop(mark.name, None)


def _numbers_at(tainted: Market, asked: pd.DataFrame) -> np.ndarray:
    """The number of the bar that each sample is decided at, float64 [samples]."""
    found = np.empty(len(asked))
    for symbol, rows in asked.groupby("symbol", sort=False).indices.items():
        clock = index_ms(tainted[str(symbol)].frame.index)
        decided = index_ms(pd.DatetimeIndex(asked["decision_time"].iloc[rows]))
        found[rows] = clock.searchsorted(decided, side="right")
    return found


def _late(held: np.ndarray, decided: np.ndarray, symbols: np.ndarray, asked: pd.DataFrame, key: str) -> Offence | None:
    """The first sample that holds a later bar, one of another symbol, or not the newest.

    Args:
        held: float64 [samples, bars, (number, symbol)].
        decided: number of the bar each sample is decided at.
    """
    newest = held[:, :, 0].max(axis=1)
    late, foreign = newest > decided, np.zeros(len(held), bool)
    if key == "features":  # a coarse candle's volume is a sum and tells no symbol
        foreign = (held[:, :, 1] != symbols[:, None]).any(axis=1)
        late |= held[:, -1, 0] != decided
    for wrong, how in ((late, "holds a bar {:+.0f} bars from the decision's"), (foreign, "holds another symbol's bar")):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            where = f"{asked['symbol'].iloc[row]} {asked['decision_time'].iloc[row].isoformat()}"
            return Offence(f"input {key}", where, how.format(newest[row] - decided[row]))
    return None
