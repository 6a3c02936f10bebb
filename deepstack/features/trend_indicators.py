"""Trend indicators: direction and strength of a trend by the published formulas; distances in ATR.

Parabolic SAR, SuperTrend, KAMA and VIDYA are left out on purpose: their state can depend on bars arbitrarily long
ago, so no trailing window reproduces them. Ichimoku's spans are read where they are known, without a forward shift.
"""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import ATR_LOOKBACK, close_line, ema_taps, fir, in_atr, line_end, price_change
from deepstack.features._rolling import ema_lookback, wilder_lookback
from deepstack.features._shared import atr, candle_range, true_range
from deepstack.features.averages import sma
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature
from deepstack.features.momentum import middle

T3_VOLUME_FACTOR = 0.7
ADX_14_BARS = 155
"""Bars of DX that ADX 14 averages: Wilder's weight beyond them is 1e-5, and DX itself needs over 250 before."""

_V = T3_VOLUME_FACTOR
_DI_BARS = wilder_lookback(14) + 1
_ADX_14_WEIGHTS = (13.0 / 14.0) ** np.arange(ADX_14_BARS)


def _directional(bars: Bars, side: int) -> np.ndarray:
    """Wilder's +DI 14 (side 1) or -DI 14 (side -1), a fraction. Lookback `wilder_lookback(14) + 1`."""

    def compute() -> np.ndarray:
        up, down = bars.high - roll.lag(bars.high, 1), roll.lag(bars.low, 1) - bars.low
        mine, other = (up, down) if side > 0 else (down, up)
        movement = np.where((mine > other) & (mine > 0.0), mine, 0.0)
        movement[:1] = np.nan
        return roll.ratio(roll.wilder(movement, 14), atr(bars, 14))

    return bars.once(("directional", side), compute)


def _dx(bars: Bars) -> np.ndarray:
    def compute() -> np.ndarray:
        plus, minus = _directional(bars, 1), _directional(bars, -1)
        return roll.ratio(np.abs(plus - minus), plus + minus)

    return bars.once("dx", compute)


def _adx(bars: Bars) -> np.ndarray:
    return bars.once("adx", lambda: fir(_dx(bars), _ADX_14_WEIGHTS / _ADX_14_WEIGHTS.sum()))


def _aroon_up(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("aroon_up", n), lambda: 1.0 - roll.bars_since_highest(bars.high, n + 1) / n)


def _aroon_down(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("aroon_down", n), lambda: 1.0 - roll.bars_since_lowest(bars.low, n + 1) / n)


def _aroon_oscillator(n: int) -> Feature:
    formula = f"(bars since the lowest low - bars since the highest high) of the last {n + 1} / {n} (Chande 1995)"
    return Feature(f"aroon_oscillator_{n}", formula, "fraction", n + 1, lambda b: _aroon_up(b, n) - _aroon_down(b, n))


def _dema(bars: Bars) -> np.ndarray:
    """Mulloy (1994), in price. Lookback that of the EMA of the EMA."""
    return bars.once("dema", lambda: fir(bars.close, DEMA_TAPS))


def _sum_of_taps(terms: dict[int, float], span: int) -> np.ndarray:
    """Taps of a weighted sum of repeated EMAs: {times repeated: weight}."""
    taps = np.zeros(len(ema_taps(*[span] * max(terms))))
    for times, weight in terms.items():
        part = weight * ema_taps(*[span] * times)
        taps[: len(part)] += part
    return taps


def _slope(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("slope_atr", n), lambda: in_atr(bars, close_line(bars, n)[1]))


def _regression_slope(n: int) -> Feature:
    formula = f"least-squares slope of the last {n} closes / ATR 14 x sqrt({n})"
    memory = max(n, ATR_LOOKBACK)
    return Feature(f"regression_slope_{n}", formula, "ATR", memory, lambda b: _slope(b, n) * math.sqrt(n))


def _regression_distance(n: int) -> Feature:
    formula = f"(close - end of the least-squares line of the last {n} closes) / ATR 14"
    memory = max(n, ATR_LOOKBACK)
    return Feature(
        f"regression_distance_{n}", formula, "ATR", memory, lambda b: in_atr(b, b.close - line_end(close_line(b, n), n))
    )


def _range_middle(bars: Bars, n: int) -> np.ndarray:
    """Ichimoku's line: the middle of the range of the last n, in price. Lookback n."""

    def compute() -> np.ndarray:
        return 0.5 * (roll.highest(bars.high, n) + roll.lowest(bars.low, n))

    return bars.once(("range_middle", n), compute)


def _span_a(bars: Bars) -> np.ndarray:
    return bars.once("span_a", lambda: 0.5 * (_range_middle(bars, 9) + _range_middle(bars, 26)))


def _beyond_cloud(bars: Bars) -> np.ndarray:
    """Signed distance of the close outside the cloud drawn at this bar, which was known 26 bars ago."""
    a, b = roll.lag(_span_a(bars), 26), roll.lag(_range_middle(bars, 52), 26)
    above = np.maximum(bars.close - np.maximum(a, b), 0.0)
    below = np.minimum(bars.close - np.minimum(a, b), 0.0)
    return in_atr(bars, above + below)


def _vortex(bars: Bars, side: int) -> np.ndarray:
    def compute() -> np.ndarray:
        up, down = np.abs(bars.high - roll.lag(bars.low, 1)), np.abs(bars.low - roll.lag(bars.high, 1))
        return roll.ratio(roll.total(up if side > 0 else down, 14), roll.total(true_range(bars), 14), neutral=1.0)

    return bars.once(("vortex", side), compute)


def _random_walk(bars: Bars, n: int, side: int) -> np.ndarray:
    travelled = bars.high - roll.lag(bars.low, n) if side > 0 else roll.lag(bars.high, n) - bars.low
    return roll.ratio(travelled, roll.mean(true_range(bars), n) * math.sqrt(n))


def _vertical_horizontal(bars: Bars) -> np.ndarray:
    span = roll.highest(bars.close, 28) - roll.lowest(bars.close, 28)
    return roll.ratio(span, roll.total(np.abs(price_change(bars)), 28))


def _mass(bars: Bars) -> np.ndarray:
    once = roll.ema(candle_range(bars), 9)
    return roll.mean(roll.ratio(once, roll.ema(once, 9), neutral=1.0), 25) - 1.0


def _trend_intensity(bars: Bars) -> np.ndarray:
    deviation = bars.close - sma(bars, 60)
    return roll.ratio(roll.total(deviation, 30), roll.total(np.abs(deviation), 30))


def _fractal_efficiency(bars: Bars, n: int) -> np.ndarray:
    """Hannula (1994), with the ATR instead of a percent as the unit of the price axis."""
    step, way = in_atr(bars, price_change(bars)), in_atr(bars, bars.close - roll.lag(bars.close, n))
    return np.sign(way) * np.sqrt(way * way + n * n) / roll.total(np.sqrt(step * step + 1.0), n)


def _heikin_ashi_body(bars: Bars) -> np.ndarray:
    """Heikin-Ashi close less open: the open halves its distance each bar, which is an EMA of span 3, one bar late."""

    def compute() -> np.ndarray:
        close = 0.25 * (bars.open + bars.high + bars.low + bars.close)
        return in_atr(bars, close - roll.lag(roll.ema(close, 3), 1))

    return bars.once("heikin_ashi_body", compute)


def _smoothed_middle(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("smoothed_middle", n), lambda: roll.wilder(middle(bars), n))


DEMA_TAPS = _sum_of_taps({1: 2.0, 2: -1.0}, 20)
TEMA_TAPS = _sum_of_taps({1: 3.0, 2: -3.0, 3: 1.0}, 12)
T3_TAPS = _sum_of_taps(
    {3: (1.0 + _V) ** 3, 4: -3.0 * _V * (1.0 + _V) ** 2, 5: 3.0 * _V**2 * (1.0 + _V), 6: -(_V**3)}, 5
)
"""Tillson (1998): three generalised DEMAs in a row, written out over repeated EMAs."""

FEATURES: tuple[Feature, ...] = (
    Feature(
        "plus_di_14", "+DI 14 / 100 = wilder 14 of +DM / wilder 14 of TR (Wilder 1978)", "fraction", _DI_BARS,
        lambda b: _directional(b, 1),
    ),
    Feature(
        "minus_di_14", "-DI 14 / 100 = wilder 14 of -DM / wilder 14 of TR (Wilder 1978)", "fraction", _DI_BARS,
        lambda b: _directional(b, -1),
    ),
    Feature(
        "di_spread_14", "plus_di_14 - minus_di_14", "fraction", _DI_BARS,
        lambda b: _directional(b, 1) - _directional(b, -1),
    ),
    Feature("dx_14", "|+DI - -DI| / (+DI + -DI) over 14", "fraction", _DI_BARS, _dx),
    Feature(
        "adx_14", "ADX 14 / 100 = Wilder-weighted mean of dx_14, cut after 155 bars", "fraction",
        _DI_BARS + ADX_14_BARS - 1, _adx,
    ),
    Feature(
        "aroon_up_25", "1 - bars since the highest high of the last 26 / 25 (Chande 1995)", "fraction", 26,
        lambda b: _aroon_up(b, 25),
    ),
    Feature(
        "aroon_down_25", "1 - bars since the lowest low of the last 26 / 25 (Chande 1995)", "fraction", 26,
        lambda b: _aroon_down(b, 25),
    ),
    Feature(
        "adx_14_change_5", "adx_14 - adx_14 five bars ago", "fraction", _DI_BARS + ADX_14_BARS + 4,
        lambda b: _adx(b) - roll.lag(_adx(b), 5),
    ),
    *(_aroon_oscillator(n) for n in (25, 50)),
    Feature(
        "dema_distance_20", "(close - DEMA 20) / ATR 14, DEMA = 2 EMA - EMA of EMA", "ATR", len(DEMA_TAPS),
        lambda b: in_atr(b, b.close - _dema(b)),
    ),
    Feature(
        "dema_change_20_3", "three-bar change of DEMA 20 / ATR 14", "ATR", len(DEMA_TAPS) + 3,
        lambda b: in_atr(b, _dema(b) - roll.lag(_dema(b), 3)),
    ),
    Feature(
        "tema_distance_12", "(close - TEMA 12) / ATR 14, TEMA = 3 EMA - 3 EMA² + EMA³ (Mulloy 1994)", "ATR",
        len(TEMA_TAPS), lambda b: in_atr(b, b.close - fir(b.close, TEMA_TAPS)),
    ),
    Feature(
        "t3_distance_5", "(close - T3 5) / ATR 14, volume factor 0.7 (Tillson 1998)", "ATR", len(T3_TAPS),
        lambda b: in_atr(b, b.close - fir(b.close, T3_TAPS)),
    ),
    *(_regression_slope(n) for n in (20, 50, 100)),
    *(_regression_distance(n) for n in (20, 50, 100)),
    Feature(
        "regression_angle_20", "atan(slope of the last 20 closes / ATR 14) / (pi / 2)", "right angle", ATR_LOOKBACK,
        lambda b: np.arctan(_slope(b, 20)) * (2.0 / math.pi),
    ),
    Feature(
        "regression_turn_20", "(slope of the last 20 closes - that of the 20 before) / ATR 14 x sqrt(20)", "ATR",
        ATR_LOOKBACK + 20, lambda b: (_slope(b, 20) - roll.lag(_slope(b, 20), 20)) * math.sqrt(20.0),
    ),
    Feature(
        "ichimoku_conversion_base", "(conversion 9 - base 26) / ATR 14, line n = (highest high + lowest low of n) / 2",
        "ATR", ATR_LOOKBACK, lambda b: in_atr(b, _range_middle(b, 9) - _range_middle(b, 26)),
    ),
    Feature(
        "ichimoku_close_base", "(close - base 26) / ATR 14", "ATR", ATR_LOOKBACK,
        lambda b: in_atr(b, b.close - _range_middle(b, 26)),
    ),
    Feature(
        "ichimoku_cloud_ahead", "(span A - span B) / ATR 14, A = (conversion + base) / 2, B = line 52, unshifted",
        "ATR", ATR_LOOKBACK, lambda b: in_atr(b, _span_a(b) - _range_middle(b, 52)),
    ),
    Feature(
        "ichimoku_beyond_cloud", "signed distance of the close outside the spans of 26 bars ago / ATR 14, 0 inside",
        "ATR", ATR_LOOKBACK, _beyond_cloud,
    ),
    Feature(
        "vortex_spread_14",
        "VI+ - VI-, VI± = sum of |high - previous low| or |low - previous high| / sum of TR over 14 (Botes & "
        "Siepman 2010)", "ratio", 15, lambda b: _vortex(b, 1) - _vortex(b, -1),
    ),
    Feature("vortex_sum_14", "VI+ + VI- - 2", "ratio", 15, lambda b: _vortex(b, 1) + _vortex(b, -1) - 2.0),
    Feature(
        "random_walk_up_14", "(high - low 14 bars ago) / (mean TR of 14 x sqrt(14)) (Poulos 1991)", "ratio", 15,
        lambda b: _random_walk(b, 14, 1),
    ),
    Feature(
        "random_walk_down_14", "(high 14 bars ago - low) / (mean TR of 14 x sqrt(14)) (Poulos 1991)", "ratio", 15,
        lambda b: _random_walk(b, 14, -1),
    ),
    Feature(
        "vertical_horizontal_28", "(highest - lowest close of 28) / sum of |change of the close| over 28 (White 1991)",
        "fraction", 29, _vertical_horizontal,
    ),
    Feature(
        "mass_index_9_25", "mean over 25 of EMA 9 of (high - low) / EMA 9 of that EMA, - 1 (Dorsey 1992)", "ratio",
        2 * ema_lookback(9) + 23, _mass,
    ),
    Feature(
        "trend_intensity_30_60", "sum over 30 of d / sum of |d|, d = close - SMA 60 (Pee 2002)", "fraction", 89,
        _trend_intensity,
    ),
    Feature(
        "fractal_efficiency_10",
        "sign(w) sqrt(w² + 100) / sum over 10 of sqrt(s² + 1), w and s = ten- and one-bar change / ATR 14 (Hannula "
        "1994)", "fraction", ATR_LOOKBACK + 9, lambda b: _fractal_efficiency(b, 10),
    ),
    Feature("heikin_ashi_body", "(Heikin-Ashi close - open) / ATR 14", "ATR", ATR_LOOKBACK, _heikin_ashi_body),
    Feature(
        "alligator_lips_jaw", "(wilder 5 - wilder 13 of (high + low) / 2) / ATR 14 (Williams 1995, unshifted)", "ATR",
        ATR_LOOKBACK, lambda b: in_atr(b, _smoothed_middle(b, 5) - _smoothed_middle(b, 13)),
    ),
)  # fmt: skip
