"""What a model sees of a market at given moments: one bar's features, a window of them, or one in each timeframe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from deepstack.candles.interval import parse_interval
from deepstack.candles.market import Candles, Market
from deepstack.candles.resample import resample
from deepstack.config.features import FeaturesConfig
from deepstack.config.samples import SamplesConfig
from deepstack.errors import ConfigError, TooFewError
from deepstack.features.table import FeatureTable, make_table
from deepstack.models.entry import Model
from deepstack.models.inputs import BASE, WHEN, Sees, finest_first, input_of
from deepstack.pipeline.trailing import recent, seen_bars
from deepstack.progress import Progress, no_progress
from deepstack.samples.windows import Windows, fits

Tables = Callable[..., FeatureTable]
"""`make_table`, or one that remembers."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Unscaled inputs of the moments that can be seen.

    Attributes:
        inputs: name → float32 [samples, features] or Windows [samples, window, features], whose matrices are its own;
            or `decision_s`, int32 [samples, 1].
        known: bool [moments asked], those with a complete window in every timeframe: the samples, in that order.
        names: of the features, the same in each input.
        bar_times: datetime64[ms] [bars], close of every bar of every symbol whose features are known.
        warmup_bars: bars cut at the start of every gap-free run.
        across_gaps: bars whose window would cross a gap; none is made.
    """

    inputs: dict[str, np.ndarray | Windows]
    known: np.ndarray
    names: tuple[str, ...]
    bar_times: np.ndarray
    warmup_bars: int
    across_gaps: int


def see(
    market: Market,
    moments: pd.DataFrame,
    model: Model,
    features: FeaturesConfig,
    samples: SamplesConfig,
    *,
    names: Sequence[str] | None = None,
    since: pd.Timestamp | None = None,
    progress: Progress = no_progress,
    tables: Tables = make_table,
) -> Seen:
    """Look at a market at the given moments; a coarser bar is seen once it has closed, and no window crosses a gap.

    Args:
        market: symbol → candles.
        moments: columns symbol and decision_time.
        model: of the catalogue; it says what it looks at.
        features: which features.
        samples: window and timeframes.
        names: exactly these features, in this order.
        since: no moment is earlier; only the bars that later moments see are worked on, which saves their time.
        tables: works the features out.

    Raises:
        ConfigError: timeframes that do not fit the model or the bars.
        TooFewError: no moment of this market, asked for or not, could be seen.
    """
    others = coarser(samples.timeframes, model.sees, _interval(market))  # refused before any work
    length = 1 if model.sees == "bar" else samples.window_bars
    whole, market = market, recent(market, since, seen_bars(names, length))
    table = tables(market, features, names=names, progress=partial(progress, "features"))
    rows = {BASE: (table, table.locate(moments["symbol"], moments["decision_time"]))}
    for text, interval in others:
        coarse = recent(_coarse(whole, interval), since, seen_bars(names, length))
        other = tables(coarse, names=table.names, progress=partial(progress, f"features {text}"))
        closed = other.locate_last(moments["symbol"], moments["decision_time"], interval)
        rows[input_of(text)] = other, closed
    known = np.logical_and.reduce([fits(t.segment, last, length) for t, last in rows.values()])
    if not all(fits(t.segment, np.arange(len(t)), length).any() for t, _ in rows.values()):
        raise nothing_seen(len(moments), table.warmup_bars, model, samples)
    inputs = {name: _view(t, last[known], model.sees, length) for name, (t, last) in rows.items()}
    if model.when:
        inputs[WHEN] = seconds_since_2000(moments["decision_time"])[known]
    return Seen(inputs, known, table.names, table.times, table.warmup_bars, _across_gaps(market, length))


def _coarse(market: Market, interval: pd.Timedelta) -> Market:
    """The market in a longer interval; a symbol too young for one complete bar has none."""
    coarse: Market = {}
    for symbol, candles in market.items():
        try:
            coarse[symbol] = resample(candles, interval)
        except TooFewError:
            coarse[symbol] = Candles(symbol, interval, candles.frame.iloc[:0])
    return coarse


def coarser(timeframes: Sequence[str], sees: Sees, interval: pd.Timedelta) -> list[tuple[str, pd.Timedelta]]:
    """The coarser timeframes with their lengths, finest first.

    Raises:
        ConfigError: none for a model of several, some for a model of one, or one that does not fit the bars.
    """
    key = "samples.timeframes"
    if (sees == "timeframes") != bool(timeframes):
        expected = "coarser intervals, e.g. [5min, 15min]" if sees == "timeframes" else "none for a model of one"
        raise ConfigError(
            key, expected=expected, received=str(list(timeframes)), remedy="setting it so, or another model.name"
        )
    lengths = {text: parse_interval(text, key) for text in finest_first(timeframes)}
    if len(set(lengths.values())) < len(timeframes):
        raise ConfigError(key, expected="different intervals", received=str(list(timeframes)), remedy="each once")
    for text, length in lengths.items():
        if length <= interval or length % interval != pd.Timedelta(0):
            finer = "finer than or equal to" if length <= interval else "no multiple of"
            raise ConfigError(
                key,
                expected=f"multiples of the bars' {interval}",
                received=f"{text}, {finer} them",
                remedy="a coarser timeframe, or finer candles",
            )
    return list(lengths.items())


def seconds_since_2000(times: pd.Series) -> np.ndarray:
    """int32 [times, 1]; good until 2068."""
    seconds = (pd.DatetimeIndex(times) - pd.Timestamp("2000-01-01", tz="UTC")) // pd.Timedelta(1, "s")
    return np.asarray(seconds, np.int32)[:, None]


def _across_gaps(market: Market, length: int) -> int:
    """Bars that close fewer than `length` bars after a gap."""
    later = (run for candles in market.values() for run in candles.segments()[1:])
    return sum(min(run.stop - run.start, length - 1) for run in later)


def _view(table: FeatureTable, last: np.ndarray, sees: Sees, length: int) -> np.ndarray | Windows:
    return table.values[last] if sees == "bar" else Windows(table.values, last, length)


def _interval(market: Market) -> pd.Timedelta:
    return next(iter(market.values())).interval


def nothing_seen(moments: int, warmup_bars: int, model: Model, samples: SamplesConfig) -> TooFewError:
    """What to say when none of the moments asked for can be seen."""
    within = "".join(f" in {timeframe}" for timeframe in samples.timeframes)
    window = "" if model.sees == "bar" else f" and windows of {samples.window_bars} bars{within}"
    return TooFewError(
        "samples",
        expected=f"bars to decide at after the warm-up of {warmup_bars} bars{window}",
        received=f"{moments} moments, none of them",
        remedy="more candles, feature groups with a shorter lookback, or a smaller samples.window_bars",
    )
