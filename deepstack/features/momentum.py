"""Momentum: how far and how steadily the price has moved, as oscillators centred on 0.

Oscillators published on a scale of 0 … 100 are given as (value - 50) / 50, so that the neutral value is 0 and a dead
market reads 0. Exponential averages are cut where their tail weighs 1e-8 (see `_rolling`), which keeps every
indicator equal to its published recursion to about that precision and its memory finite.
"""

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import (
    ATR_LOOKBACK,
    ema_taps,
    fir,
    in_atr,
    mean_absolute_deviation,
    position,
    price_change,
)
from deepstack.features._rolling import ema_lookback
from deepstack.features._shared import candle_range, true_range, typical
from deepstack.features.averages import ema, sma
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

VIGOR_TAPS = np.array([1.0, 2.0, 2.0, 1.0]) / 6.0
TRIX_TAPS = ema_taps(9, 9, 9)
STOCH_RSI_FLOOR = 1e-6
_PLACE_SPAN, _FISHER_SPAN = 5, 3
_MACD_BARS = ema_lookback(26)
_SIGNAL_BARS = _MACD_BARS + ema_lookback(9) - 1


def rsi(bars: Bars, n: int) -> np.ndarray:
    """Wilder's relative strength index as RSI / 50 - 1, in [-1, 1]. Lookback `rsi_lookback(n)`."""

    def compute() -> np.ndarray:
        change = price_change(bars)
        return roll.ratio(roll.wilder(change, n), roll.wilder(np.abs(change), n))

    return bars.once(("rsi", n), compute)


def rsi_lookback(n: int) -> int:
    """Trailing bars that fix `rsi`."""
    return roll.wilder_lookback(n) + 1


def _rsi(n: int) -> Feature:
    formula = f"RSI {n} / 50 - 1 = wilder_{n}(d) / wilder_{n}(|d|), d = change of the close (Wilder 1978)"
    return Feature(f"rsi_{n}", formula, "fraction", rsi_lookback(n), lambda b: rsi(b, n))


def _stoch_rsi(bars: Bars) -> np.ndarray:
    def compute() -> np.ndarray:
        value = rsi(bars, 14)
        return position(value, roll.lowest(value, 14), roll.highest(value, 14), STOCH_RSI_FLOOR)

    return bars.once("stoch_rsi", compute)


def _macd(bars: Bars) -> np.ndarray:
    return bars.once("macd", lambda: ema(bars, 12) - ema(bars, 26))


def _macd_signal(bars: Bars) -> np.ndarray:
    return bars.once("macd_signal", lambda: roll.ema(_macd(bars), 9))


def _ppo(bars: Bars) -> np.ndarray:
    return bars.once("ppo", lambda: _macd(bars) / ema(bars, 26))


def _stochastic(bars: Bars, n: int) -> np.ndarray:
    """Fast %K, centred."""

    def compute() -> np.ndarray:
        return position(bars.close, roll.lowest(bars.low, n), roll.highest(bars.high, n))

    return bars.once(("stochastic", n), compute)


def _slow_k(bars: Bars) -> np.ndarray:
    return bars.once("slow_k", lambda: roll.mean(_stochastic(bars, 14), 3))


def _williams(n: int) -> Feature:
    formula = f"Williams %R {n} / 50 + 1: place of the close in [lowest low, highest high] of {n}, -1 … 1"
    return Feature(f"williams_r_{n}", formula, "fraction", n, lambda b: _stochastic(b, n))


def _cci(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        price = typical(b)
        deviation = mean_absolute_deviation(price, n)
        # Rounding in a constant window of typical prices must not pass for a deviation.
        return roll.ratio(price - roll.mean(price, n), 1.5 * np.where(deviation <= 1e-12 * price, 0.0, deviation))

    formula = f"CCI {n} / 100 = (tp - SMA(tp)) / (1.5 x mean |tp - SMA(tp)|) over {n}, tp = (h + l + c) / 3"
    return Feature(f"cci_{n}", formula, "CCI / 100", n, compute)


def _momentum(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return in_atr(b, b.close - roll.lag(b.close, n)) / np.sqrt(n)

    formula = f"(close - close {n} bars ago) / (ATR 14 x sqrt({n}))"
    return Feature(f"momentum_{n}", formula, "ATR", max(n + 1, ATR_LOOKBACK), compute)


def rate_of_change(bars: Bars, n: int) -> np.ndarray:
    """Close over the close n bars ago, less 1. Lookback n + 1."""
    return bars.close / roll.lag(bars.close, n) - 1.0


def _rate_of_change(n: int) -> Feature:
    formula = f"close / close {n} bars ago - 1"
    return Feature(f"rate_of_change_{n}", formula, "fraction", n + 1, lambda b: rate_of_change(b, n))


def _net_share(change: np.ndarray, n: int) -> np.ndarray:
    return roll.ratio(roll.total(change, n), roll.total(np.abs(change), n))


def _chande(n: int) -> Feature:
    formula = f"CMO / 100 = sum of d / sum of |d| over {n}, d = change of the close (Chande 1994)"
    return Feature(f"chande_momentum_{n}", formula, "fraction", n + 1, lambda b: _net_share(price_change(b), n))


def _ultimate(bars: Bars) -> np.ndarray:
    pressure, span = bars.close - np.minimum(bars.low, roll.lag(bars.close, 1)), true_range(bars)
    seven, fourteen, twenty_eight = (
        2.0 * roll.ratio(roll.total(pressure, n), roll.total(span, n), neutral=0.5) - 1.0 for n in (7, 14, 28)
    )
    return (4.0 * seven + 2.0 * fourteen + twenty_eight) / 7.0


def _trix(bars: Bars) -> np.ndarray:
    smooth = fir(bars.close, TRIX_TAPS)
    return smooth / roll.lag(smooth, 1) - 1.0


def _true_strength(long: int, short: int) -> Feature:
    taps = ema_taps(long, short)

    def compute(b: Bars) -> np.ndarray:
        change = price_change(b)
        return roll.ratio(fir(change, taps), fir(np.abs(change), taps))

    formula = f"EMA {short} of EMA {long} of d / the same of |d|, d = change of the close (Blau 1991)"
    return Feature(f"true_strength_{long}_{short}", formula, "fraction", len(taps) + 1, compute)


def middle(bars: Bars) -> np.ndarray:
    """(high + low) / 2, in price. Lookback 1."""
    return bars.once("middle", lambda: 0.5 * (bars.high + bars.low))


def _awesome(bars: Bars) -> np.ndarray:
    return in_atr(bars, roll.mean(middle(bars), 5) - roll.mean(middle(bars), 34))


def _coppock(bars: Bars) -> np.ndarray:
    change = rate_of_change(bars, 14) + rate_of_change(bars, 11)
    return fir(change, np.arange(10.0, 0.0, -1.0) / 55.0)


def _vigor(bars: Bars) -> np.ndarray:
    def compute() -> np.ndarray:
        body, span = fir(bars.close - bars.open, VIGOR_TAPS), fir(candle_range(bars), VIGOR_TAPS)
        return roll.ratio(roll.mean(body, 10), roll.mean(span, 10))

    return bars.once("vigor", compute)


def _fisher(bars: Bars) -> np.ndarray:
    price = middle(bars)
    place = roll.ema(position(price, roll.lowest(price, 10), roll.highest(price, 10)), _PLACE_SPAN)
    return roll.ema(np.arctanh(np.clip(place, -0.999, 0.999)), _FISHER_SPAN)


def _change(x: np.ndarray, bars_ago: int) -> np.ndarray:
    return x - roll.lag(x, bars_ago)


FEATURES: tuple[Feature, ...] = (
    *(_rsi(n) for n in (7, 14, 21)),
    Feature(
        "rsi_14_change_5", "rsi_14 - rsi_14 five bars ago", "fraction", rsi_lookback(14) + 5,
        lambda b: _change(rsi(b, 14), 5),
    ),
    Feature(
        "stoch_rsi_14", "place of rsi_14 between its lowest and highest of 14, -1 … 1 (Chande & Kroll 1994)",
        "fraction", rsi_lookback(14) + 13, _stoch_rsi,
    ),
    Feature(
        "stoch_rsi_14_d3", "SMA 3 of stoch_rsi_14", "fraction", rsi_lookback(14) + 15,
        lambda b: roll.mean(_stoch_rsi(b), 3),
    ),
    Feature(
        "macd_line_12_26", "(EMA 12 - EMA 26 of the close) / ATR 14", "ATR", max(_MACD_BARS, ATR_LOOKBACK),
        lambda b: in_atr(b, _macd(b)),
    ),
    Feature(
        "macd_signal_12_26_9", "EMA 9 of (EMA 12 - EMA 26 of the close) / ATR 14", "ATR", _SIGNAL_BARS,
        lambda b: in_atr(b, _macd_signal(b)),
    ),
    Feature(
        "macd_histogram_12_26_9", "macd_line_12_26 - macd_signal_12_26_9", "ATR", _SIGNAL_BARS,
        lambda b: in_atr(b, _macd(b) - _macd_signal(b)),
    ),
    Feature(
        "macd_histogram_change_3", "three-bar change of (MACD - signal), in price, / ATR 14", "ATR", _SIGNAL_BARS + 3,
        lambda b: in_atr(b, _change(_macd(b) - _macd_signal(b), 3)),
    ),
    Feature("ppo_12_26", "(EMA 12 - EMA 26) / EMA 26 of the close", "fraction", _MACD_BARS, _ppo),
    Feature(
        "ppo_histogram_12_26_9", "ppo_12_26 - its EMA 9", "fraction", _SIGNAL_BARS,
        lambda b: _ppo(b) - roll.ema(_ppo(b), 9),
    ),
    Feature(
        "stochastic_k_5", "%K 5 / 50 - 1: place of the close in [lowest low, highest high] of 5, -1 … 1 (Lane)",
        "fraction", 5, lambda b: _stochastic(b, 5),
    ),
    Feature(
        "stochastic_k_14", "slow %K / 50 - 1: SMA 3 of the place of the close in its range of 14", "fraction", 16,
        _slow_k,
    ),
    Feature(
        "stochastic_d_14", "slow %D / 50 - 1: SMA 3 of stochastic_k_14", "fraction", 18,
        lambda b: roll.mean(_slow_k(b), 3),
    ),
    Feature(
        "stochastic_gap_14", "stochastic_k_14 - stochastic_d_14", "fraction", 18,
        lambda b: _slow_k(b) - roll.mean(_slow_k(b), 3),
    ),
    *(_williams(n) for n in (14, 28)),
    *(_cci(n) for n in (14, 20)),
    *(_momentum(n) for n in (10, 20)),
    *(_rate_of_change(n) for n in (5, 10, 20)),
    *(_chande(n) for n in (9, 20)),
    Feature(
        "relative_momentum_14_5",
        "sum of d / sum of |d| over 14, d = five-bar change of the close (Altman 1993, simple sums)", "fraction", 19,
        lambda b: _net_share(_change(b.close, 5), 14),
    ),
    Feature(
        "intraday_momentum_14", "sum of (close - open) / sum of |close - open| over 14 (Chande)", "fraction", 14,
        lambda b: _net_share(b.close - b.open, 14),
    ),
    Feature(
        "ultimate_oscillator",
        "ULTOSC / 50 - 1 = (4 a7 + 2 a14 + a28) / 7, an = 2 sum(close - true low) / sum(TR) - 1 over n "
        "(Williams 1985)", "fraction", 29, _ultimate,
    ),
    Feature(
        "trix_9", "one-bar rate of change of EMA 9 of EMA 9 of EMA 9 of the close", "fraction", 3 * ema_lookback(9) - 1,
        _trix,
    ),
    *(_true_strength(long, short) for long, short in ((25, 13),)),
    Feature("awesome_5_34", "(SMA 5 - SMA 34 of (high + low) / 2) / ATR 14", "ATR", ATR_LOOKBACK, _awesome),
    Feature("coppock_10", "WMA 10 of (rate_of_change_14 + rate_of_change_11) (Coppock 1962)", "fraction", 24, _coppock),
    Feature(
        "detrended_20", "DPO: (close 11 bars ago - SMA 20 of the close) / ATR 14", "ATR", ATR_LOOKBACK,
        lambda b: in_atr(b, roll.lag(b.close, 11) - sma(b, 20)),
    ),
    Feature(
        "relative_vigor_10",
        "SMA 10 of w(close - open) / SMA 10 of w(high - low), w = weights 1 2 2 1 / 6 (Ehlers 2002)", "fraction", 13,
        _vigor,
    ),
    Feature(
        "relative_vigor_gap_10", "relative_vigor_10 - w(relative_vigor_10)", "fraction", 16,
        lambda b: _vigor(b) - fir(_vigor(b), VIGOR_TAPS),
    ),
    Feature(
        "fisher_transform_10",
        "smoothed (a = 1/2) artanh of the smoothed (a = 1/3) place of (high + low) / 2 in its range of 10 "
        "(Ehlers 2002, halved)", "artanh", 8 + ema_lookback(_PLACE_SPAN) + ema_lookback(_FISHER_SPAN), _fisher,
    ),
    Feature(
        "bull_power_13", "(high - EMA 13 of the close) / ATR 14 (Elder)", "ATR", ATR_LOOKBACK,
        lambda b: in_atr(b, b.high - ema(b, 13)),
    ),
    Feature(
        "bear_power_13", "(low - EMA 13 of the close) / ATR 14 (Elder)", "ATR", ATR_LOOKBACK,
        lambda b: in_atr(b, b.low - ema(b, 13)),
    ),
    Feature(
        "qstick_10", "SMA 10 of (close - open) / ATR 14 (Chande)", "ATR", ATR_LOOKBACK,
        lambda b: in_atr(b, roll.mean(b.close - b.open, 10)),
    ),
)  # fmt: skip
