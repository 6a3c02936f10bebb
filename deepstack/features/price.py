"""Returns in units of volatility, and the shape of the candle: body, wicks, close location, gaps."""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import in_atr
from deepstack.features._shared import atr_lookback, candle_range, log_return, true_range, volatility
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

SIGMA_BARS = 100
ATR_BARS = 14
STREAK_BARS = 10


def _return_over(bars: Bars, horizon: int) -> np.ndarray:
    return bars.once(("return_over", horizon), lambda: np.log(bars.close / roll.lag(bars.close, horizon)))


def _return_sigma(horizon: int) -> Feature:
    return Feature(
        f"return_{horizon}",
        f"ln(close / close {horizon} bars ago) / (std of the last {SIGMA_BARS} log returns x sqrt({horizon}))",
        "sigma",
        max(horizon, SIGMA_BARS) + 1,
        lambda b: roll.ratio(_return_over(b, horizon), volatility(b, SIGMA_BARS) * math.sqrt(horizon)),
    )


def _acceleration(horizon: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        now = _return_over(b, horizon)
        return roll.ratio(now - roll.lag(now, horizon), volatility(b, SIGMA_BARS) * math.sqrt(2 * horizon))

    return Feature(
        f"acceleration_{horizon}",
        f"({horizon}-bar log return - the one before it) / (sigma of {SIGMA_BARS} bars x sqrt({2 * horizon}))",
        "sigma",
        max(2 * horizon, SIGMA_BARS) + 1,
        compute,
    )


def _body(b: Bars) -> np.ndarray:
    return b.once("body_ratio", lambda: roll.ratio(b.close - b.open, candle_range(b)))


def _upper_wick(b: Bars) -> np.ndarray:
    return b.once("upper_wick", lambda: roll.ratio(b.high - np.maximum(b.open, b.close), candle_range(b)))


def _lower_wick(b: Bars) -> np.ndarray:
    return b.once("lower_wick", lambda: roll.ratio(np.minimum(b.open, b.close) - b.low, candle_range(b)))


def _close_location(b: Bars) -> np.ndarray:
    return b.once("close_location", lambda: roll.ratio(2.0 * b.close - b.high - b.low, candle_range(b)))


def _wick_asymmetry(n: int) -> Feature:
    return Feature(
        f"wick_asymmetry_{n}",
        f"mean over {n} of ((high - max(open, close)) - (min(open, close) - low)) / (high - low), 0 for a zero range",
        "fraction",
        n,
        lambda b: roll.mean(_upper_wick(b) - _lower_wick(b), n),
    )


def _mean_body(n: int) -> Feature:
    return Feature(
        f"body_ratio_mean_{n}",
        f"mean over {n} of (close - open) / (high - low)",
        "fraction",
        n,
        lambda b: roll.mean(_body(b), n),
    )


def _mean_location(n: int) -> Feature:
    return Feature(
        f"close_location_mean_{n}",
        f"mean over {n} of close_location",
        "fraction",
        n,
        lambda b: roll.mean(_close_location(b), n),
    )


def _gap(b: Bars) -> np.ndarray:
    return b.open - roll.lag(b.close, 1)


def _streak(b: Bars) -> np.ndarray:
    direction = np.sign(b.close - roll.lag(b.close, 1))
    alive = np.ones(len(b), dtype=bool)
    run = np.zeros(len(b))
    for bars_ago in range(STREAK_BARS):
        alive = alive & (roll.lag(direction, bars_ago) == direction)
        run += alive
    return direction * run / STREAK_BARS


def _log_relative_range(b: Bars) -> np.ndarray:
    relative = roll.ratio(candle_range(b), roll.mean(candle_range(b), 20))
    return np.log(relative, out=np.where(np.isnan(relative), np.nan, 0.0), where=relative > 0.0)


def _outside(b: Bars) -> np.ndarray:
    """+1 for a bar that engulfs the previous range, -1 for one inside it."""
    high, low = roll.lag(b.high, 1), roll.lag(b.low, 1)
    engulfs = (b.high > high) & (b.low < low)
    inside = (b.high < high) & (b.low > low)
    return engulfs.astype(float) - inside


def _extreme_return(name: str, price: str) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return roll.ratio(np.log(getattr(b, price) / roll.lag(b.close, 1)), volatility(b, SIGMA_BARS))

    return Feature(name, f"ln({price} / previous close) / sigma of {SIGMA_BARS} bars", "sigma", SIGMA_BARS + 1, compute)


CLOSE_LOCATION = Feature("close_location", "(2 close - high - low) / (high - low)", "fraction", 1, _close_location)
BODY_RATIO = Feature("body_ratio", "(close - open) / (high - low)", "fraction", 1, _body)
RETURN_5 = _return_sigma(5)
RETURN_20 = _return_sigma(20)
RANGE_ATR = Feature(
    "true_range_atr",
    f"true range / ATR({ATR_BARS})",
    "ATR",
    atr_lookback(ATR_BARS),
    lambda b: in_atr(b, true_range(b)),
)

FEATURES: tuple[Feature, ...] = (
    *(_return_sigma(h) for h in (1, 2, 3)),
    RETURN_5,
    _return_sigma(10),
    RETURN_20,
    *(_return_sigma(h) for h in (50, 100, 200)),
    *(_acceleration(h) for h in (5, 20)),
    _extreme_return("high_return_1", "high"),
    _extreme_return("low_return_1", "low"),
    BODY_RATIO,
    Feature("upper_wick", "(high - max(open, close)) / (high - low)", "fraction", 1, _upper_wick),
    Feature("lower_wick", "(min(open, close) - low) / (high - low)", "fraction", 1, _lower_wick),
    CLOSE_LOCATION,
    *(_wick_asymmetry(n) for n in (5, 10, 20)),
    *(_mean_body(n) for n in (5, 10, 20)),
    *(_mean_location(n) for n in (5, 20)),
    RANGE_ATR,
    Feature(
        "body_atr",
        f"(close - open) / ATR({ATR_BARS})",
        "ATR",
        atr_lookback(ATR_BARS),
        lambda b: in_atr(b, b.close - b.open),
    ),
    Feature(
        "gap_atr",
        f"(open - previous close) / ATR({ATR_BARS})",
        "ATR",
        atr_lookback(ATR_BARS),
        lambda b: in_atr(b, _gap(b)),
    ),
    Feature(
        "gap_share_20",
        "sum of |open - previous close| over 20 / sum of true range over 20",
        "fraction",
        21,
        lambda b: roll.ratio(roll.total(np.abs(_gap(b)), 20), roll.total(true_range(b), 20)),
    ),
    Feature(
        "log_relative_range_20",
        "ln((high - low) / its mean over 20), 0 for a zero range",
        "log ratio",
        20,
        _log_relative_range,
    ),
    Feature(
        "range_rank_50",
        "rank of high - low among the last 50, -1 lowest, 1 highest",
        "rank",
        50,
        lambda b: roll.rank(candle_range(b), 50),
    ),
    Feature(
        "return_rank_50",
        "rank of the log return among the last 50, -1 lowest, 1 highest",
        "rank",
        51,
        lambda b: roll.rank(log_return(b), 50),
    ),
    Feature(
        "close_rank_100",
        "rank of the close among the last 100, -1 lowest, 1 highest",
        "rank",
        100,
        lambda b: roll.rank(b.close, 100),
    ),
    Feature(
        "outside_bar", "+1 if the bar engulfs the previous range, -1 if it lies inside it, else 0", "flag", 2, _outside
    ),
    Feature(
        "streak_10",
        "signed count of closes in a row in one direction, at most 10, / 10",
        "fraction",
        STREAK_BARS + 1,
        _streak,
    ),
)
