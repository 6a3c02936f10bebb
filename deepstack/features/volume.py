"""Volume: how much trades against its own past, and whether volume comes with rising or falling prices.

Cumulative indicators (OBV, A/D, VWAP, VPT) are taken over a trailing window and divided by the volume of that window,
so they have no arbitrary start and no unit. Windows without any volume read 0.
"""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import (
    ATR_LOOKBACK,
    close_line,
    correlations,
    in_atr,
    log_ratio,
    position,
    price_change,
)
from deepstack.features._rolling import ema_lookback
from deepstack.features._shared import candle_range, log_return, typical, volatility
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature
from deepstack.features.momentum import middle

REFERENCE_BARS = 100
SAME_PRICE = 1e-12
"""A relative change of the typical price below this is rounding."""


def mean_volume(bars: Bars, n: int) -> np.ndarray:
    """Mean volume of the last n bars. Lookback n."""
    return bars.once(("mean_volume", n), lambda: roll.mean(bars.volume, n))


def _weighted(bars: Bars, key: str, weight: np.ndarray, n: int) -> np.ndarray:
    """Volume-weighted mean of `weight` over the last n; 0 where nothing traded."""
    return bars.once(
        ("volume_weighted", key, n), lambda: roll.ratio(roll.mean(weight * bars.volume, n), mean_volume(bars, n))
    )


def relative_volume(n: int) -> Feature:
    """Short against long volume, the figure trade filters look at first."""
    formula = f"ln(SMA {n} / SMA {REFERENCE_BARS} of volume), within ±5, 0 where nothing traded"
    return Feature(
        f"relative_volume_{n}", formula, "log ratio", REFERENCE_BARS,
        lambda b: log_ratio(mean_volume(b, n), mean_volume(b, REFERENCE_BARS)),
    )  # fmt: skip


def _volume_z(n: int) -> Feature:
    formula = f"(volume - mean) / std of the last {n} volumes"
    return Feature(f"volume_z_{n}", formula, "sigma", n, lambda b: roll.zscore(b.volume, n))


def _volume_rank(n: int) -> Feature:
    formula = f"rank of the volume among the last {n}, -1 lowest, 1 highest"
    return Feature(f"volume_rank_{n}", formula, "rank", n, lambda b: roll.rank(b.volume, n))


def _obv_share(n: int) -> Feature:
    formula = f"sum of sign(change of the close) x volume / sum of volume, over {n}: on-balance volume of the window"
    return Feature(
        f"obv_share_{n}", formula, "fraction", n + 1, lambda b: _weighted(b, "obv", np.sign(price_change(b)), n)
    )


def _tilt(bars: Bars, n: int) -> np.ndarray:
    """VWAP less the plain mean of the typical price, in price: their covariance with volume over the mean volume."""

    def compute() -> np.ndarray:
        return roll.ratio(roll.covariance(typical(bars), bars.volume, n), mean_volume(bars, n))

    return bars.once(("vwap_tilt", n), compute)


def _from_vwap(bars: Bars, n: int) -> np.ndarray:
    """Close less the volume-weighted typical price of the last n, in price; 0 where nothing traded. Lookback n."""

    def compute() -> np.ndarray:
        distance = bars.close - roll.mean(typical(bars), n) - _tilt(bars, n)
        return np.where(mean_volume(bars, n) == 0.0, 0.0, distance)

    return bars.once(("from_vwap", n), compute)


def _vwap_distance(n: int) -> Feature:
    formula = f"(close - volume-weighted typical price of {n}) / ATR 14"
    return Feature(f"vwap_distance_{n}", formula, "ATR", max(n, ATR_LOOKBACK), lambda b: in_atr(b, _from_vwap(b, n)))


def _vwap_change(bars: Bars) -> np.ndarray:
    average = bars.close - _from_vwap(bars, 20)
    return in_atr(bars, average - roll.lag(average, 5))


def _vwap_tilt(n: int) -> Feature:
    formula = f"(volume-weighted - plain mean typical price of {n}) / ATR 14"
    return Feature(f"vwap_tilt_{n}", formula, "ATR", max(n, ATR_LOOKBACK), lambda b: in_atr(b, _tilt(b, n)))


def _money_flow_index(bars: Bars, n: int) -> np.ndarray:
    """Quong & Soudack (1989), centred."""
    price = typical(bars)
    change = price - roll.lag(price, 1)
    side = np.where(np.abs(change) <= SAME_PRICE * price, 0.0, np.sign(change))
    side[:1] = np.nan
    flow = price * bars.volume
    return roll.ratio(roll.total(side * flow, n), roll.total(np.abs(side) * flow, n))


def _accumulation(bars: Bars) -> np.ndarray:
    """Chaikin's close location value, in [-1, 1]. Lookback 1."""
    return bars.once("accumulation", lambda: position(bars.close, bars.low, bars.high))


def _chaikin_flow(n: int) -> Feature:
    formula = f"CMF: sum of (2 close - high - low) / (high - low) x volume / sum of volume, over {n} (Chaikin)"
    return Feature(
        f"chaikin_money_flow_{n}", formula, "fraction", n, lambda b: _weighted(b, "accumulation", _accumulation(b), n)
    )


def _smoothed_flow(bars: Bars, fast: int, slow: int) -> np.ndarray:
    """Fast less slow exponential volume-weighted mean of the close location."""
    flow = _accumulation(bars) * bars.volume

    def part(span: int) -> np.ndarray:
        return roll.ratio(roll.ema(flow, span), roll.ema(bars.volume, span))

    return part(fast) - part(slow)


def _force(bars: Bars, span: int) -> np.ndarray:
    push = roll.ema(price_change(bars) * bars.volume, span)
    return in_atr(bars, roll.ratio(push, roll.ema(bars.volume, span)))


def _ease_of_movement(bars: Bars, n: int) -> np.ndarray:
    """Arms: moves of the midpoint over a wide range on little volume count most, volume being relative to its mean."""
    move = (middle(bars) - roll.lag(middle(bars), 1)) * candle_range(bars)
    effort = roll.ratio(bars.volume, mean_volume(bars, REFERENCE_BARS), neutral=1.0)
    return in_atr(bars, in_atr(bars, roll.mean(move / np.maximum(effort, 0.1), n)))


def _volume_correlations(bars: Bars) -> np.ndarray:
    """Correlations over 50 of volume with the return, its size, and the volume before, [3, bars]. Lookback 51."""

    def compute() -> np.ndarray:
        r, v = log_return(bars), bars.volume
        return correlations(np.stack((r, np.abs(r), roll.lag(v, 1))), np.stack((v, v, v)), 50)

    return bars.once("volume_correlations", compute)


def _up_volume(n: int) -> Feature:
    formula = f"sum of sign(close - open) x volume / sum of volume, over {n}: up less down volume"
    return Feature(
        f"up_volume_balance_{n}", formula, "fraction", n, lambda b: _weighted(b, "up", np.sign(b.close - b.open), n)
    )


def _price_trend(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return roll.ratio(_weighted(b, "vpt", log_return(b), n), volatility(b, REFERENCE_BARS)) * math.sqrt(n)

    formula = f"VPT: volume-weighted mean log return of {n} / sigma of 100 x sqrt({n})"
    return Feature(f"volume_price_trend_{n}", formula, "sigma", REFERENCE_BARS + 1, compute)


def _volume_variation(n: int) -> Feature:
    formula = f"std / mean of the last {n} volumes"
    return Feature(
        f"volume_variation_{n}", formula, "ratio", n, lambda b: roll.ratio(roll.std(b.volume, n), mean_volume(b, n))
    )


def _conditional_return(bars: Bars, rising: bool) -> np.ndarray:
    """Fosback's PVI or NVI over 50: returns of the bars whose volume rose, or fell, in sigma."""
    before = roll.lag(bars.volume, 1)
    chosen = bars.volume > before if rising else bars.volume < before
    summed = roll.total(np.where(chosen, log_return(bars), 0.0 * log_return(bars)), 50)
    return roll.ratio(summed, volatility(bars, REFERENCE_BARS) * math.sqrt(50.0))


def _effort_against_result(bars: Bars) -> np.ndarray:
    moved = log_ratio(candle_range(bars), roll.mean(candle_range(bars), 20))
    return log_ratio(bars.volume, mean_volume(bars, 20)) - moved


FEATURES: tuple[Feature, ...] = (
    *(relative_volume(n) for n in (5, 10, 20)),
    Feature(
        "relative_volume_1_20", "ln(volume / SMA 20 of volume), within ±5", "log ratio", 20,
        lambda b: log_ratio(b.volume, mean_volume(b, 20)),
    ),
    Feature(
        "volume_change_1", "ln(volume / previous volume), within ±5", "log ratio", 2,
        lambda b: log_ratio(b.volume, roll.lag(b.volume, 1)),
    ),
    *(_volume_z(n) for n in (20, 100)),
    *(_volume_rank(n) for n in (100,)),
    *(_obv_share(n) for n in (10, 20, 50)),
    *(_vwap_distance(n) for n in (20, 50)),
    Feature(
        "vwap_change_20_5", "five-bar change of the volume-weighted typical price of 20 / ATR 14", "ATR", ATR_LOOKBACK,
        _vwap_change,
    ),
    *(_vwap_tilt(n) for n in (20, 50)),
    Feature(
        "money_flow_index_14",
        "MFI 14 / 50 - 1 = sum of sign(d) x tp x volume / the same unsigned where d ≠ 0, d = change of tp", "fraction",
        15, lambda b: _money_flow_index(b, 14),
    ),
    *(_chaikin_flow(n) for n in (20, 50)),
    Feature(
        "chaikin_oscillator_3_10",
        "EMA 3 of clv x volume / EMA 3 of volume - the same at 10, clv = (2 c - h - l) / (h - l)", "fraction",
        ema_lookback(10), lambda b: _smoothed_flow(b, 3, 10),
    ),
    Feature(
        "force_index_13", "EMA 13 of change of the close x volume / EMA 13 of volume / ATR 14 (Elder)", "ATR",
        ATR_LOOKBACK, lambda b: _force(b, 13),
    ),
    Feature(
        "ease_of_movement_14",
        "SMA 14 of change of (h + l) / 2 x (h - l) / max(volume / SMA 100 of volume, 0.1) / ATR 14² (Arms)", "ATR",
        ATR_LOOKBACK, lambda b: _ease_of_movement(b, 14),
    ),
    Feature(
        "return_volume_correlation_50", "correlation over 50 of the log return and the volume", "correlation", 51,
        lambda b: _volume_correlations(b)[0],
    ),
    Feature(
        "size_volume_correlation_50", "correlation over 50 of the absolute log return and the volume (Karpoff 1987)",
        "correlation", 51, lambda b: _volume_correlations(b)[1],
    ),
    Feature(
        "volume_autocorrelation_1_50", "correlation over 50 of the volume and the previous volume", "correlation", 51,
        lambda b: _volume_correlations(b)[2],
    ),
    *(_up_volume(n) for n in (5, 20)),
    *(_price_trend(n) for n in (20, 50)),
    *(_volume_variation(n) for n in (20,)),
    Feature(
        "rising_volume_return_50", "sum over 50 of log returns on rising volume / (sigma of 100 x sqrt(50)) (PVI)",
        "sigma", REFERENCE_BARS + 1, lambda b: _conditional_return(b, True),
    ),
    Feature(
        "falling_volume_return_50", "sum over 50 of log returns on falling volume / (sigma of 100 x sqrt(50)) (NVI)",
        "sigma", REFERENCE_BARS + 1, lambda b: _conditional_return(b, False),
    ),
    Feature(
        "effort_result_20", "ln(volume / SMA 20 of it) - ln((h - l) / SMA 20 of it), each within ±5", "log ratio", 20,
        _effort_against_result,
    ),
    Feature(
        "close_vwap_sigma_50", "(close - volume-weighted typical price of 50) / std of 50 closes", "sigma", 50,
        lambda b: roll.ratio(_from_vwap(b, 50), close_line(b, 50)[2]),
    ),
)  # fmt: skip
