"""Donchian channels: where the close stands, which side it has broken, how tight and how worn the range is."""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import in_atr
from deepstack.features._shared import atr, atr_lookback, relative_volume, true_range
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

ATR_BARS = 14
ATR_MEMORY = atr_lookback(ATR_BARS)


def upper(bars: Bars, n: int) -> np.ndarray:
    """Highest high of the last n, the current bar included. Lookback n."""
    return bars.once(("donchian_upper", n), lambda: roll.highest(bars.high, n))


def lower(bars: Bars, n: int) -> np.ndarray:
    """Lowest low of the last n, the current bar included. Lookback n."""
    return bars.once(("donchian_lower", n), lambda: roll.lowest(bars.low, n))


def broken_side(bars: Bars, n: int) -> np.ndarray:
    """+1 where the close lies above the previous n bars' highs, -1 below their lows, else 0. Lookback n + 1."""

    def compute() -> np.ndarray:
        above = bars.close > roll.lag(upper(bars, n), 1)
        below = bars.close < roll.lag(lower(bars, n), 1)
        return above.astype(float) - below

    return bars.once(("broken_side", n), compute)


def log_relative_volume(bars: Bars, n: int) -> np.ndarray:
    """ln(volume / its mean over n), 0 where nothing traded. Lookback n."""

    def compute() -> np.ndarray:
        relative = relative_volume(bars, n)
        return np.log(relative, out=np.where(np.isnan(relative), np.nan, 0.0), where=relative > 0.0)

    return bars.once(("log_relative_volume", n), compute)


def _to_high(n: int) -> Feature:
    return Feature(
        f"distance_high_{n}",
        f"(close - highest high of {n}) / ATR({ATR_BARS})",
        "ATR",
        max(n, ATR_MEMORY),
        lambda b: in_atr(b, b.close - upper(b, n)),
    )


def _to_low(n: int) -> Feature:
    return Feature(
        f"distance_low_{n}",
        f"(close - lowest low of {n}) / ATR({ATR_BARS})",
        "ATR",
        max(n, ATR_MEMORY),
        lambda b: in_atr(b, b.close - lower(b, n)),
    )


def _position(n: int) -> Feature:
    return Feature(
        f"channel_position_{n}",
        f"(2 close - upper - lower) / (upper - lower) of the {n}-bar channel",
        "fraction",
        n,
        lambda b: roll.ratio(2.0 * b.close - upper(b, n) - lower(b, n), upper(b, n) - lower(b, n)),
    )


def _breakout(n: int) -> Feature:
    return Feature(
        f"breakout_{n}",
        f"+1 if close > highest high of the previous {n} bars, -1 if close < their lowest low, else 0",
        "flag",
        n + 1,
        lambda b: broken_side(b, n),
    )


def _excess(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        above = np.maximum(b.close - roll.lag(upper(b, n), 1), 0.0)
        below = np.maximum(roll.lag(lower(b, n), 1) - b.close, 0.0)
        return in_atr(b, above - below)

    return Feature(
        f"breakout_excess_{n}",
        f"signed distance of the close beyond the previous {n}-bar channel / ATR({ATR_BARS})",
        "ATR",
        max(n + 1, ATR_MEMORY),
        compute,
    )


def _width(n: int) -> Feature:
    return Feature(
        f"channel_width_{n}",
        f"(upper - lower) of {n} bars / (ATR({ATR_BARS}) x sqrt({n}))",
        "ATR",
        max(n, ATR_MEMORY),
        lambda b: in_atr(b, upper(b, n) - lower(b, n)) / math.sqrt(n),
    )


def _since_high(n: int) -> Feature:
    return Feature(
        f"bars_since_high_{n}",
        f"bars since the highest high of {n} / {n}",
        "fraction",
        n,
        lambda b: roll.bars_since_highest(b.high, n) / n,
    )


def _since_low(n: int) -> Feature:
    return Feature(
        f"bars_since_low_{n}",
        f"bars since the lowest low of {n} / {n}",
        "fraction",
        n,
        lambda b: roll.bars_since_lowest(b.low, n) / n,
    )


def _squeeze(short: int, long: int) -> Feature:
    return Feature(
        f"squeeze_{short}_{long}",
        f"width of the {short}-bar channel / of the {long}-bar channel",
        "fraction",
        long,
        lambda b: roll.ratio(upper(b, short) - lower(b, short), upper(b, long) - lower(b, long)),
    )


def _squeeze_before(n: int, over: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        width = (upper(b, n) - lower(b, n)) / b.close
        return roll.lag(roll.rank(width, over), 1)

    return Feature(
        f"squeeze_before_{n}_{over}",
        f"rank, one bar ago, of the {n}-bar channel width / close among its last {over}, -1 tightest",
        "rank",
        n + over,
        compute,
    )


def _consolidation(n: int) -> Feature:
    """Dreiss' choppiness index, as a fraction: 1 when n bars go nowhere, 0 when they go straight."""

    def compute(b: Bars) -> np.ndarray:
        travelled = roll.ratio(roll.total(true_range(b), n), upper(b, n) - lower(b, n), neutral=float(n))
        return np.log(travelled) / math.log(n)

    return Feature(
        f"consolidation_{n}", f"ln(sum of true range / (upper - lower)) / ln({n}), over {n}", "fraction", n + 1, compute
    )


def _touches(side: str, n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        reach = 0.25 * atr(b, ATR_BARS)
        if side == "high":
            near = roll.windows(b.high, n) >= (upper(b, n) - reach)[:, None]
        else:
            near = roll.windows(b.low, n) <= (lower(b, n) + reach)[:, None]
        return np.count_nonzero(near, axis=1) / n

    return Feature(
        f"touches_{side}_{n}",
        f"share of the last {n} bars whose {side} lies within ATR({ATR_BARS}) / 4 of their extreme",
        "fraction",
        max(n, ATR_MEMORY),
        compute,
    )


def _since_breakout(name: str, side: float, n: int, over: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        broke = (broken_side(b, n) == side).astype(float)
        return np.where(roll.highest(broke, over) > 0.0, roll.bars_since_highest(broke, over), over) / over

    return Feature(
        f"bars_since_breakout_{name}_{n}",
        f"bars since breakout_{n} was {side:+.0f} / {over}, at most 1",
        "fraction",
        n + over,
        compute,
    )


def _balance(n: int, over: int) -> Feature:
    return Feature(
        f"breakout_balance_{n}_{over}",
        f"mean of breakout_{n} over {over}",
        "fraction",
        n + over,
        lambda b: roll.mean(broken_side(b, n), over),
    )


def _failures(n: int, over: int) -> Feature:
    """Breakouts whose very next close is back inside the broken bound."""

    def compute(b: Bars) -> np.ndarray:
        side = roll.lag(broken_side(b, n), 1)
        back_down = (side > 0.0) & (b.close < roll.lag(upper(b, n), 2))
        back_up = (side < 0.0) & (b.close > roll.lag(lower(b, n), 2))
        return roll.mean(back_up.astype(float) - back_down, over)

    return Feature(
        f"failed_breakouts_{n}_{over}",
        f"mean over {over} of: +1 if the close is back above a low broken one bar ago, -1 if back below a high, else 0",
        "fraction",
        n + over + 1,
        compute,
    )


def _earlier_range(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return in_atr(b, b.close - 0.5 * (roll.lag(upper(b, n), n) + roll.lag(lower(b, n), n)))

    return Feature(
        f"distance_earlier_range_{n}",
        f"(close - middle of the {n}-bar channel {n} bars ago) / ATR({ATR_BARS})",
        "ATR",
        max(2 * n, ATR_MEMORY),
        compute,
    )


BREAKOUT_20 = _breakout(20)
BREAKOUT_EXCESS_20 = _excess(20)
CHANNEL_POSITION_20 = _position(20)
CHANNEL_POSITION_100 = _position(100)
SQUEEZE_20_100 = _squeeze(20, 100)
CONSOLIDATION_20 = _consolidation(20)
SQUEEZE_BEFORE_20 = _squeeze_before(20, 100)

FEATURES: tuple[Feature, ...] = (
    *(_to_high(n) for n in (10, 20, 50, 100)),
    *(_to_low(n) for n in (10, 20, 50, 100)),
    _position(10),
    CHANNEL_POSITION_20,
    _position(50),
    CHANNEL_POSITION_100,
    _position(200),
    _breakout(10),
    BREAKOUT_20,
    _breakout(50),
    _breakout(100),
    BREAKOUT_EXCESS_20,
    _excess(50),
    *(_width(n) for n in (10, 20, 50, 100)),
    *(_since_high(n) for n in (20, 50, 100)),
    *(_since_low(n) for n in (20, 50, 100)),
    _squeeze(10, 50),
    SQUEEZE_20_100,
    SQUEEZE_BEFORE_20,
    _consolidation(10),
    CONSOLIDATION_20,
    _consolidation(50),
    *(_touches(side, 20) for side in ("high", "low")),
    _since_breakout("up", 1.0, 20, 50),
    _since_breakout("down", -1.0, 20, 50),
    _balance(20, 50),
    _balance(20, 100),
    _failures(20, 50),
    _earlier_range(20),
    _earlier_range(50),
    Feature(
        "breakout_volume_20",
        "|breakout_20| x ln(volume / its mean over 20)",
        "log ratio",
        21,
        lambda b: np.abs(broken_side(b, 20)) * log_relative_volume(b, 20),
    ),
    Feature(
        "breakout_range_20",
        f"breakout_20 x true range / ATR({ATR_BARS})",
        "ATR",
        max(21, ATR_MEMORY),
        lambda b: broken_side(b, 20) * in_atr(b, true_range(b)),
    ),
)
