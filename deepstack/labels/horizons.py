"""Sell, hold or buy: the direction of the move over several horizons, asked at every bar."""

import bottleneck as bn
import numpy as np
import pandas as pd

from deepstack.candles.interval import interval_ms, interval_text, parse_interval
from deepstack.candles.market import Candles, Market
from deepstack.config.labels import HorizonsConfig
from deepstack.errors import ConfigError, DataError

CLASSES = ("sell", "hold", "buy")
"""Names of the classes 0, 1 and 2."""


def horizon_bars(config: HorizonsConfig, interval: pd.Timedelta) -> tuple[int, ...]:
    """Length of each horizon in bars.

    Raises:
        ConfigError: a horizon that is no multiple of the bar interval, given twice, or not matched by a weight.
    """
    key = "labels.horizons.lengths"
    lengths = [interval_ms(parse_interval(text, key)) for text in config.lengths]
    bar = interval_ms(interval)
    for text, length in zip(config.lengths, lengths, strict=True):
        if length % bar:
            nearest = interval_text(max(round(length / bar), 1) * interval)
            raise ConfigError(
                key, expected=f"multiples of the bars' {interval_text(interval)}", received=text, remedy=nearest
            )
    if len(set(lengths)) != len(lengths):
        raise ConfigError(key, expected="different horizons", received=", ".join(config.lengths), remedy="each once")
    if config.weights and (len(config.weights) != len(lengths) or min(config.weights) <= 0.0):
        raise ConfigError(
            "labels.horizons.weights",
            expected=f"{len(lengths)} positive weights, one a horizon",
            received=str(list(config.weights)),
            remedy="leaving it out for equal shares",
        )
    return tuple(length // bar for length in lengths)


def label_horizons(market: Market, config: HorizonsConfig) -> tuple[pd.DataFrame, int]:
    """Label the bars of every symbol.

    A decision at the close of bar t is entered at the open of bar t + 1 and ends at the close of bar t + h. Its risk,
    1 R, is the standard deviation of one-bar log returns over the `volatility_bars` up to t, scaled by √h. It is `buy`
    when the move exceeds `dead_band` R, `sell` when it falls below the negative of it, and `hold` between. No horizon
    crosses a missing bar, and nothing is asked where the price has not moved at all.

    Returns:
        A frame with columns symbol, decision_time, entry_time, end_time (of the longest horizon), entry_price, and for
        each horizon, named as in the config, `end_<horizon>`, `exit_price_<horizon>`, `risk_<horizon>` (float64, as a
        log return), `gross_r_<horizon>` (float64, of a long position) and `class_<horizon>` (int8, index into CLASSES),
        sorted by decision time then symbol, index 0…n-1; and the count of bars left out because a gap, or the end of
        the data, came before the end of the longest horizon.

    Raises:
        ConfigError: horizons that do not fit the bar interval.
        DataError: no bar has both its volatility and its outcome.
    """
    frames, dropped = [], 0
    for candles in market.values():
        frame, unknown = _label_symbol(candles, config)
        frames.append(frame)
        dropped += unknown
    samples = pd.concat(frames, ignore_index=True)
    if samples.empty:
        longest = max(config.lengths, key=lambda text: parse_interval(text, "labels.horizons.lengths"))
        raise DataError(
            "labels",
            expected=f"bars with {config.volatility_bars} bars before them and {longest} after them",
            received=f"none in {sum(len(candles) for candles in market.values())} bars",
            remedy="more bars, shorter labels.horizons.lengths, or a smaller volatility_bars or every_bars of them",
        )
    return samples.sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True), dropped


def decision_rows(candles: Candles, config: HorizonsConfig) -> tuple[np.ndarray, np.ndarray]:
    """Bars at which the question is asked, each from bars at or before its own.

    Returns:
        rows: int64, ascending, on a clock of `every_bars` counted from 1970-01-01 UTC.
        deviation: float64, trailing standard deviation of one-bar log returns, > 0.
    """
    number = pd.DatetimeIndex(candles.frame.index).as_unit("ms").asi8 // interval_ms(candles.interval)
    on_clock = number % config.every_bars == 0
    log_close = np.log(candles.frame["close"].to_numpy())
    runs = [_trailing_deviation(log_close[run], config.volatility_bars) for run in candles.segments()]
    deviation = np.concatenate([np.empty(0), *runs])
    rows = np.flatnonzero(on_clock & (deviation > 0.0))
    return rows, deviation[rows]


def _label_symbol(candles: Candles, config: HorizonsConfig) -> tuple[pd.DataFrame, int]:
    bars = horizon_bars(config, candles.interval)
    longest = max(bars)
    asked, deviation = decision_rows(candles, config)
    run_end = np.zeros(len(candles), np.int64)
    for run in candles.segments():
        run_end[run] = run.stop
    known = asked + longest < run_end[asked]
    rows, deviation = asked[known], deviation[known]
    open_, close = (candles.frame[name].to_numpy() for name in ("open", "close"))
    times = pd.DatetimeIndex(candles.frame.index).as_unit("ms")
    columns: dict[str, object] = {
        "symbol": candles.symbol,
        "decision_time": times[rows],
        "entry_time": (times[rows + 1] - candles.interval).as_unit("ms"),
        "end_time": times[rows + longest],
        "entry_price": open_[rows + 1],
    }
    for name, h in zip(config.lengths, bars, strict=True):
        risk = deviation * np.sqrt(h)
        gross_r = np.log(close[rows + h] / open_[rows + 1]) / risk
        columns[f"end_{name}"] = times[rows + h]
        columns[f"exit_price_{name}"] = close[rows + h]
        columns[f"risk_{name}"] = risk
        columns[f"gross_r_{name}"] = gross_r
        columns[f"class_{name}"] = (1 + (gross_r > config.dead_band) - (gross_r < -config.dead_band)).astype(np.int8)
    return pd.DataFrame(columns), len(asked) - len(rows)


def _trailing_deviation(log_close: np.ndarray, bars: int) -> np.ndarray:
    """Standard deviation of the last `bars` log returns, float64 [rows], NaN in the first `bars` rows.

    0 where the price stood still: the running sums keep a residue of earlier moves, which is no volatility.
    """
    returns = np.diff(log_close, prepend=np.nan)
    if len(returns) <= bars:
        return np.full(len(returns), np.nan)
    result = np.full(len(returns), np.nan)
    moved = bn.move_max(np.abs(returns[1:]), bars) > 0.0
    result[1:] = bn.move_std(returns[1:], bars) * np.where(moved, 1.0, 0.0)
    return result
