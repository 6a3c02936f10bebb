"""Microstructure: what candles, trade counts and taker volume tell about spread, price impact and order flow.

The candle-only estimators need no optional column. Spreads are fractions of the price; impact is taken against its own
average or as a correlation, so no unit of volume enters.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from deepstack.features import _rolling as roll
from deepstack.features._measures import ATR_LOOKBACK, in_atr, log_ratio, price_change
from deepstack.features._shared import log_return, volatility
from deepstack.features._spreads import abdi_ranaldo, corwin_schultz, roll_spread, unmoved, zero_return_spread
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature
from deepstack.features.volume import mean_volume

REFERENCE_BARS = 100
BULK_BARS = 50
TRADES, TAKER = ("trades",), ("taker_buy_volume",)

Series = Callable[[Bars], np.ndarray]


def _spread(name: str, source: str, series: Series) -> tuple[Feature, ...]:
    """A two-bar spread estimate as a level, against its own past, and against volatility."""

    def average(bars: Bars, n: int) -> np.ndarray:
        return bars.once(("spread", name, n), lambda: roll.mean(series(bars), n))

    return (
        Feature(
            f"{name}_20", f"mean over 20 of the two-bar spread estimate of {source}", "fraction", 21,
            lambda b: average(b, 20),
        ),
        Feature(
            f"{name}_relative_20", f"ln({name} mean of 20 / of 100), within ±5", "log ratio", REFERENCE_BARS + 1,
            lambda b: log_ratio(average(b, 20), average(b, REFERENCE_BARS)),
        ),
        Feature(
            f"{name}_sigma_20", f"{name}_20 / std of the last 20 log returns", "sigma", 21,
            lambda b: roll.ratio(average(b, 20), volatility(b, 20)),
        ),
    )  # fmt: skip


def _illiquidity(bars: Bars) -> np.ndarray:
    """Amihud (2002): |log return| per unit of money traded; 0 where nothing traded. Lookback 2."""
    return bars.once("illiquidity", lambda: roll.ratio(np.abs(log_return(bars)), bars.close * bars.volume))


def _mean_illiquidity(bars: Bars, n: int) -> np.ndarray:
    def compute() -> np.ndarray:
        traded = (bars.volume > 0.0).astype(float)
        return roll.ratio(roll.mean(_illiquidity(bars), n), roll.mean(traded, n))

    return bars.once(("mean_illiquidity", n), compute)


def _amihud(n: int) -> Feature:
    formula = f"ln(mean of {n} / of 100 of |log return| / (close x volume) in bars that traded), within ±5"
    return Feature(
        f"amihud_relative_{n}", formula, "log ratio", REFERENCE_BARS + 1,
        lambda b: log_ratio(_mean_illiquidity(b, n), _mean_illiquidity(b, REFERENCE_BARS)),
    )  # fmt: skip


def _illiquidity_asymmetry(bars: Bars) -> np.ndarray:
    """Brennan, Huh & Subrahmanyam (2013): illiquidity of falling less that of rising bars, over their sum."""
    signed = np.sign(log_return(bars)) * _illiquidity(bars)
    return -roll.ratio(roll.total(signed, 50), roll.total(_illiquidity(bars), 50))


def _candle_flow(bars: Bars) -> np.ndarray:
    return bars.once("candle_flow", lambda: np.sign(bars.close - bars.open) * bars.volume)


def _taker_flow(bars: Bars) -> np.ndarray:
    """Taker buys less taker sells, in units of volume."""
    return bars.once("taker_flow", lambda: 2.0 * bars.extra["taker_buy_volume"] - bars.volume)


def _kyle_lambda(bars: Bars, key: str, flow: Series) -> np.ndarray:
    """Kyle (1985): slope of the return on signed volume, as sigmas moved by one mean bar volume of net buying."""
    lever = roll.ratio(mean_volume(bars, 50), roll.std(flow(bars), 50))
    return np.clip(_flow_correlation(bars, key, flow) * lever, -20.0, 20.0)


def _flow_correlation(bars: Bars, key: str, flow: Series) -> np.ndarray:
    return bars.once(("flow_correlation", key), lambda: roll.correlation(log_return(bars), flow(bars), 50))


def _reversal(bars: Bars) -> np.ndarray:
    """Pástor & Stambaugh (2003): return against the signed volume of the bar before."""
    r = log_return(bars)
    return roll.correlation(r, roll.lag(np.sign(r) * bars.volume, 1), 100)


def _zero_share(n: int) -> Feature:
    formula = f"share of the last {n} bars whose close did not move (Lesmond et al. 1999)"
    return Feature(f"zero_return_share_{n}", formula, "fraction", n + 1, lambda b: roll.mean(unmoved(b), n))


def _bulk_flow(bars: Bars) -> np.ndarray:
    """Bulk volume classification (Easley, López de Prado & O'Hara 2012): 2 Φ(r / sigma) - 1 of each bar's volume."""

    def compute() -> np.ndarray:
        sigmas = roll.ratio(log_return(bars), volatility(bars, BULK_BARS))
        return (2.0 * ndtr(sigmas) - 1.0) * bars.volume

    return bars.once("bulk_flow", compute)


def _imbalance(flow: Series, n: int) -> Series:
    return lambda b: roll.ratio(roll.mean(flow(b), n), mean_volume(b, n))


def _toxicity(flow: Series, n: int) -> Series:
    """VPIN on time bars: absolute over total volume. (Buckets of equal volume would have no fixed memory.)"""
    return lambda b: roll.ratio(roll.mean(np.abs(flow(b)), n), mean_volume(b, n))


def _bulk_imbalance(n: int) -> Feature:
    formula = f"sum of (2 Φ(log return / sigma of 50) - 1) x volume / sum of volume, over {n} (bulk classification)"
    return Feature(f"bulk_imbalance_{n}", formula, "fraction", BULK_BARS + n, _imbalance(_bulk_flow, n))


def _price_grid(bars: Bars) -> np.ndarray:
    size = np.abs(price_change(bars))
    smallest = roll.lowest(np.where(size == 0.0, np.inf, size), 50)
    return in_atr(bars, np.where(np.isinf(smallest), 0.0, smallest))


def _trades(bars: Bars) -> np.ndarray:
    return bars.extra["trades"]


def _mean_size(bars: Bars, n: int) -> np.ndarray:
    """Mean volume of a trade over the last n bars; 0 without trades."""
    return bars.once(("trade_size", n), lambda: roll.ratio(mean_volume(bars, n), roll.mean(_trades(bars), n)))


def _trade_size(n: int) -> Feature:
    formula = f"ln(volume per trade over {n} / over 100), within ±5"
    return Feature(
        f"trade_size_relative_{n}", formula, "log ratio", REFERENCE_BARS,
        lambda b: log_ratio(_mean_size(b, n), _mean_size(b, REFERENCE_BARS)), TRADES,
    )  # fmt: skip


def _relative_trades(n: int) -> Feature:
    formula = f"ln(SMA {n} / SMA 100 of the number of trades), within ±5"
    return Feature(
        f"trades_relative_{n}", formula, "log ratio", REFERENCE_BARS,
        lambda b: log_ratio(roll.mean(_trades(b), n), roll.mean(_trades(b), REFERENCE_BARS)), TRADES,
    )  # fmt: skip


def _taker_imbalance(n: int) -> Feature:
    formula = f"(2 taker buy volume - volume) / volume, sums over {n}"
    return Feature(f"taker_imbalance_{n}", formula, "fraction", n, _imbalance(_taker_flow, n), TAKER)


def _flow_relative(bars: Bars) -> np.ndarray:
    return np.clip(roll.ratio(roll.mean(_taker_flow(bars), 5), mean_volume(bars, REFERENCE_BARS)), -20.0, 20.0)


def _absorption(bars: Bars) -> np.ndarray:
    """Taker flow that did not move the price: positive where buying met resting supply."""
    flow = roll.ratio(roll.total(_taker_flow(bars), 20), roll.std(_taker_flow(bars), 100))
    move = roll.ratio(roll.total(log_return(bars), 20), volatility(bars, 100))
    return (flow - move) / math.sqrt(20.0)


def _flow_memory(bars: Bars) -> np.ndarray:
    return roll.correlation(_taker_flow(bars), roll.lag(_taker_flow(bars), 1), 50)


FEATURES: tuple[Feature, ...] = (
    Feature(
        "roll_spread_100", "2 sqrt(max(-cov(log return, the one before), 0)) over 100 (Roll 1984)", "fraction", 102,
        roll_spread,
    ),
    Feature(
        "roll_spread_sigma_100", "roll_spread_100 / std of the last 100 log returns", "sigma", 102,
        lambda b: roll.ratio(roll_spread(b), volatility(b, 100)),
    ),
    *_spread("corwin_schultz", "Corwin & Schultz (2012)", corwin_schultz),
    *_spread("abdi_ranaldo", "Abdi & Ranaldo (2017)", abdi_ranaldo),
    *(_amihud(n) for n in (5, 20)),
    Feature(
        "amihud_asymmetry_50",
        "(illiquidity of falling - of rising bars) / sum over 50, illiquidity = |log return| / (close x volume)",
        "fraction", 51, _illiquidity_asymmetry,
    ),
    Feature(
        "kyle_lambda_50",
        "slope over 50 of log return on sign(close - open) x volume, x mean volume / sigma, within ±20 (Kyle 1985)",
        "sigma", 51, lambda b: _kyle_lambda(b, "candle", _candle_flow),
    ),
    Feature(
        "volume_reversal_100",
        "correlation over 100 of the log return and sign(r) x volume one bar before (Pástor & Stambaugh 2003)",
        "correlation", 102, _reversal,
    ),
    *(_zero_share(n) for n in (20, 100)),
    Feature(
        "zero_return_spread_100",
        "2 sigma Φ⁻¹((1 + share of unmoved closes, at most 0.99) / 2) over 100 (Fong, Holden & Trzcinka 2017)",
        "fraction", 101, zero_return_spread,
    ),
    *(_bulk_imbalance(n) for n in (1, 5, 20)),
    Feature(
        "bulk_toxicity_50",
        "VPIN on time bars: sum of |2 Φ(log return / sigma of 50) - 1| x volume / sum of volume, over 50", "fraction",
        BULK_BARS + 50, _toxicity(_bulk_flow, 50),
    ),
    Feature(
        "price_grid_50",
        "smallest non-zero |change of the close| of 50 / ATR 14, 0 if none: coarseness of the price grid", "ATR",
        ATR_LOOKBACK, _price_grid,
    ),
    *(_relative_trades(n) for n in (5, 20)),
    Feature(
        "trades_z_100", "(trades - mean) / std of the last 100 trade counts", "sigma", 100,
        lambda b: roll.zscore(_trades(b), 100), TRADES,
    ),
    *(_trade_size(n) for n in (1, 20)),
    Feature(
        "trade_size_return_50", "correlation over 50 of the log return and the volume per trade", "correlation", 51,
        lambda b: roll.correlation(log_return(b), _mean_size(b, 1), 50), TRADES,
    ),
    *(_taker_imbalance(n) for n in (1, 5, 20)),
    Feature(
        "taker_imbalance_z_50", "z-score over 50 of taker_imbalance_1", "sigma", 50,
        lambda b: roll.zscore(roll.ratio(_taker_flow(b), b.volume), 50), TAKER,
    ),
    Feature(
        "taker_flow_relative_5", "mean taker buys - sells of 5 / mean volume of 100, within ±20", "ratio",
        REFERENCE_BARS, _flow_relative, TAKER,
    ),
    Feature(
        "taker_price_correlation_50", "correlation over 50 of the log return and taker buys - sells", "correlation", 51,
        lambda b: _flow_correlation(b, "taker", _taker_flow), TAKER,
    ),
    Feature(
        "taker_lambda_50",
        "slope over 50 of log return on taker buys - sells, x mean volume / sigma, within ±20 (Kyle 1985)", "sigma", 51,
        lambda b: _kyle_lambda(b, "taker", _taker_flow), TAKER,
    ),
    Feature(
        "taker_autocorrelation_50", "correlation over 50 of taker buys - sells and the same one bar before",
        "correlation", 51, _flow_memory, TAKER,
    ),
    Feature(
        "taker_toxicity_50", "VPIN on time bars: sum of |taker buys - sells| / sum of volume, over 50", "fraction", 50,
        _toxicity(_taker_flow, 50), TAKER,
    ),
    Feature(
        "taker_absorption_20",
        "(sum of 20 taker flows / their std of 100 - 20-bar log return / sigma of 100) / sqrt(20)", "sigma", 101,
        _absorption, TAKER,
    ),
)  # fmt: skip
