"""Volatility channels: where the close lies in a band, how wide the band is, and whether it is being squeezed.

A position is -1 at the lower bound, 1 at the upper, beyond them outside; 0 where the band has no width.
"""

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import ATR_LOOKBACK, NO_MOVEMENT, close_line, in_atr, line_end, log_ratio, position
from deepstack.features._rolling import ema_lookback
from deepstack.features._shared import atr, atr_lookback, candle_range, true_range, typical
from deepstack.features.averages import ema, sma
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

_KROLL_BARS = atr_lookback(10) + 18


def _deviation(bars: Bars, n: int) -> np.ndarray:
    """Population standard deviation of the last n closes, in price. Lookback n."""
    return close_line(bars, n)[2]


def _bollinger(bars: Bars, n: int) -> np.ndarray:
    """Position in the band SMA ± 2 std: 2 %b - 1. Lookback n."""

    def compute() -> np.ndarray:
        return roll.ratio(bars.close - close_line(bars, n)[0], 2.0 * _deviation(bars, n))

    return bars.once(("bollinger", n), compute)


def _bollinger_width(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("bollinger_width", n), lambda: 4.0 * _deviation(bars, n) / close_line(bars, n)[0])


def _bollinger_position(n: int) -> Feature:
    formula = f"2 %b - 1 = (close - SMA {n}) / (2 std of the last {n} closes) (Bollinger)"
    return Feature(f"bollinger_position_{n}", formula, "half-width", n, lambda b: _bollinger(b, n))


def _keltner_position(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        average = atr(b, 10)
        return roll.ratio(b.close - ema(b, n), 2.0 * np.where(average <= NO_MOVEMENT * b.close, 0.0, average))

    formula = f"(close - EMA {n}) / (2 ATR 10) (Keltner channel, Raschke's form)"
    return Feature(f"keltner_position_{n}", formula, "half-width", max(ema_lookback(n), atr_lookback(10)), compute)


def _donchian_position(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return position(b.close, roll.lowest(b.low, n), roll.highest(b.high, n))

    formula = f"(2 close - upper - lower) / (upper - lower) of the {n}-bar Donchian channel"
    return Feature(f"donchian_position_{n}", formula, "half-width", n, compute)


def _donchian_middle(bars: Bars) -> np.ndarray:
    def compute() -> np.ndarray:
        return 0.5 * (roll.highest(bars.high, 20) + roll.lowest(bars.low, 20))

    return bars.once(("range_middle", 20), compute)


def _in_squeeze(bars: Bars) -> np.ndarray:
    """1 where 2 std of 20 closes is less than 1.5 mean true ranges of 20, the Bollinger inside the Keltner band."""

    def compute() -> np.ndarray:
        keltner = 1.5 * roll.mean(true_range(bars), 20)
        return np.where(np.isnan(keltner), np.nan, 2.0 * _deviation(bars, 20) < keltner)

    return bars.once("in_squeeze", compute)


def _squeeze_momentum(bars: Bars) -> np.ndarray:
    """Carter (2005): end of the regression line of the close against the middle of channel and average."""
    distance = bars.close - 0.5 * (_donchian_middle(bars) + sma(bars, 20))
    return in_atr(bars, line_end(roll.line(distance, 20), 20))


def _acceleration_bounds(bars: Bars, side: int) -> np.ndarray:
    """Headley (2002): SMA 20 of the high stretched by 4 (h - l) / (h + l), or of the low shrunk by it, in price."""

    def compute() -> np.ndarray:
        stretch = 4.0 * candle_range(bars) / (bars.high + bars.low)
        return roll.mean(bars.high * (1.0 + stretch) if side > 0 else bars.low * (1.0 - stretch), 20)

    return bars.once(("acceleration_band", side), compute)


def _acceleration_position(bars: Bars) -> np.ndarray:
    floor = NO_MOVEMENT * bars.close
    return position(bars.close, _acceleration_bounds(bars, -1), _acceleration_bounds(bars, 1), floor)


def _acceleration_width(bars: Bars) -> np.ndarray:
    return (_acceleration_bounds(bars, 1) - _acceleration_bounds(bars, -1)) / sma(bars, 20)


def _high_low_position(bars: Bars) -> np.ndarray:
    return position(bars.close, roll.ema(bars.low, 20), roll.ema(bars.high, 20), NO_MOVEMENT * bars.close)


def _residual(bars: Bars, n: int) -> np.ndarray:
    """Standard deviation of the last n closes about their least-squares line, in price. Lookback n."""

    def compute() -> np.ndarray:
        _, _, deviation, explained = close_line(bars, n)
        left = np.sqrt(np.maximum(1.0 - explained * explained, 0.0)) * deviation
        return np.where(left <= NO_MOVEMENT * bars.close, 0.0, left)

    return bars.once(("residual", n), compute)


def _regression_position(n: int) -> Feature:
    formula = f"(close - end of the least-squares line of {n}) / (2 std of the closes about the line)"
    return Feature(
        f"regression_channel_{n}", formula, "half-width", n,
        lambda b: roll.ratio(b.close - line_end(close_line(b, n), n), 2.0 * _residual(b, n)),
    )  # fmt: skip


def _median_distance(n: int) -> Feature:
    formula = f"(close - median of the last {n} mid-prices) / ATR 14"
    memory = max(n, ATR_LOOKBACK)
    return Feature(
        f"median_channel_{n}", formula, "ATR", memory,
        lambda b: in_atr(b, b.close - roll.median(0.5 * (b.high + b.low), n)),
    )  # fmt: skip


def _kroll_long(bars: Bars) -> np.ndarray:
    return in_atr(bars, bars.close - roll.highest(roll.highest(bars.high, 10) - atr(bars, 10), 9))


def _kroll_short(bars: Bars) -> np.ndarray:
    return in_atr(bars, bars.close - roll.lowest(roll.lowest(bars.low, 10) + atr(bars, 10), 9))


def _original_keltner(bars: Bars) -> np.ndarray:
    width = roll.mean(candle_range(bars), 10)
    width[width <= NO_MOVEMENT * bars.close] = 0.0
    return roll.ratio(bars.close - roll.mean(typical(bars), 10), width)


FEATURES: tuple[Feature, ...] = (
    *(_bollinger_position(n) for n in (20, 50, 100)),
    Feature(
        "bollinger_width_20", "4 std / SMA of the last 20 closes", "fraction", 20, lambda b: _bollinger_width(b, 20),
    ),
    Feature(
        "bollinger_width_relative_100", "ln(bollinger_width_20 / its SMA 100), within ±5", "log ratio", 119,
        lambda b: log_ratio(_bollinger_width(b, 20), roll.mean(_bollinger_width(b, 20), 100)),
    ),
    Feature(
        "bollinger_width_rank_100", "rank of bollinger_width_20 among its last 100, -1 lowest, 1 highest", "rank", 119,
        lambda b: roll.rank(_bollinger_width(b, 20), 100),
    ),
    Feature(
        "bollinger_ratio_20_100", "ln(std of 20 closes / std of 100 closes), within ±5", "log ratio", 100,
        lambda b: log_ratio(_deviation(b, 20), _deviation(b, 100)),
    ),
    Feature(
        "bollinger_outside_20", "SMA 20 of: +1 if the close is above its Bollinger band of 20, -1 if below, else 0",
        "fraction", 39, lambda b: roll.mean(np.trunc(np.clip(_bollinger(b, 20), -1.0, 1.0)), 20),
    ),
    *(_keltner_position(n) for n in (20,)),
    Feature(
        "keltner_original_10", "(close - SMA 10 of the typical price) / SMA 10 of (high - low) (Keltner 1960)",
        "half-width", 10, _original_keltner,
    ),
    *(_donchian_position(n) for n in (30, 55)),
    Feature(
        "donchian_width_55", "(highest high - lowest low of 55) / ATR 14", "ATR", ATR_LOOKBACK,
        lambda b: in_atr(b, roll.highest(b.high, 55) - roll.lowest(b.low, 55)),
    ),
    Feature(
        "donchian_middle_change_10", "ten-bar change of the middle of the 20-bar Donchian channel / ATR 14", "ATR",
        ATR_LOOKBACK, lambda b: in_atr(b, _donchian_middle(b) - roll.lag(_donchian_middle(b), 10)),
    ),
    Feature(
        "squeeze_ratio_20", "ln(2 std of 20 closes / (1.5 SMA 20 of TR)), within ±5: Bollinger over Keltner width",
        "log ratio", 21, lambda b: log_ratio(2.0 * _deviation(b, 20), 1.5 * roll.mean(true_range(b), 20)),
    ),
    Feature("bollinger_in_keltner_20", "1 if 2 std of 20 closes < 1.5 SMA 20 of TR, else 0", "flag", 21, _in_squeeze),
    Feature(
        "squeeze_share_20", "SMA 20 of bollinger_in_keltner_20", "fraction", 40,
        lambda b: roll.mean(_in_squeeze(b), 20),
    ),
    Feature(
        "squeeze_momentum_20",
        "end of the regression line of 20 of (close - (Donchian middle 20 + SMA 20) / 2) / ATR 14 (Carter 2005)", "ATR",
        ATR_LOOKBACK, _squeeze_momentum,
    ),
    Feature(
        "acceleration_band_20",
        "position of the close between SMA 20 of low (1 - s) and high (1 + s), s = 4 (h - l) / (h + l) (Headley 2002)",
        "half-width", 20, _acceleration_position,
    ),
    Feature(
        "acceleration_band_width_20", "(upper - lower acceleration band) / SMA 20 of the close", "fraction", 20,
        _acceleration_width,
    ),
    Feature(
        "high_low_channel_20", "position of the close between EMA 20 of the lows and EMA 20 of the highs", "half-width",
        ema_lookback(20), _high_low_position,
    ),
    *(_regression_position(n) for n in (20, 50, 100)),
    Feature(
        "regression_channel_width_50", "4 std of 50 closes about their least-squares line / ATR 14", "ATR",
        ATR_LOOKBACK, lambda b: in_atr(b, 4.0 * _residual(b, 50)),
    ),
    *(_median_distance(n) for n in (20, 100)),
    Feature(
        "kroll_stop_long_10", "(close - highest of 9 of (highest high of 10 - ATR 10)) / ATR 14 (Chande & Kroll 1994)",
        "ATR", max(_KROLL_BARS, ATR_LOOKBACK), _kroll_long,
    ),
    Feature(
        "kroll_stop_short_10", "(close - lowest of 9 of (lowest low of 10 + ATR 10)) / ATR 14 (Chande & Kroll 1994)",
        "ATR", max(_KROLL_BARS, ATR_LOOKBACK), _kroll_short,
    ),
)  # fmt: skip
