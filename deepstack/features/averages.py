"""Where the close stands against moving averages, how these slope, and how they are ordered; in ATR."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._measures import in_atr
from deepstack.features._shared import atr_lookback
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

ATR_BARS = 14
RIBBON = (10, 20, 50, 100, 200)

Average = Callable[[Bars, int], np.ndarray]


def sma(bars: Bars, n: int) -> np.ndarray:
    """Simple average of the close, in price. Lookback n."""
    return bars.once(("sma", n), lambda: roll.mean(bars.close, n))


def ema(bars: Bars, span: int) -> np.ndarray:
    """Exponential average of the close, in price. Lookback `ema_lookback(span)`."""
    return bars.once(("ema", span), lambda: roll.ema(bars.close, span))


def _linear(x: np.ndarray, n: int) -> np.ndarray:
    """Linearly weighted average: its distance from the simple one is slope x (n - 1) / 6."""
    return roll.mean(x, n) + roll.slope(x, n) * ((n - 1) / 6.0)


def _wma(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("wma", n), lambda: _linear(bars.close, n))


def _trima(bars: Bars, n: int) -> np.ndarray:
    return roll.mean(sma(bars, n // 2), n - n // 2 + 1)


def _hma(bars: Bars, n: int) -> np.ndarray:
    """Hull (2005): WMA over sqrt(n) of 2 WMA(n / 2) - WMA(n)."""
    return _linear(2.0 * _wma(bars, n // 2) - _wma(bars, n), round(n**0.5))


def _zlema(bars: Bars, span: int) -> np.ndarray:
    """Ehlers & Way (2010): EMA of the close plus its change over the EMA's own delay."""
    return roll.ema(2.0 * bars.close - roll.lag(bars.close, (span - 1) // 2), span)


def _median(bars: Bars, n: int) -> np.ndarray:
    return roll.median(bars.close, n)


def _distance(kind: str, average: Average, n: int, memory: int) -> Feature:
    return Feature(
        f"distance_{kind}_{n}",
        f"(close - {kind.upper()}({n})) / ATR({ATR_BARS})",
        "ATR",
        max(memory, atr_lookback(ATR_BARS)),
        lambda b: in_atr(b, b.close - average(b, n)),
    )


def _slope(kind: str, average: Average, n: int, step: int, memory: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        line = average(b, n)
        return in_atr(b, (line - roll.lag(line, step)) / step)

    return Feature(
        f"slope_{kind}_{n}",
        f"({kind.upper()}({n}) - its value {step} bars ago) / {step} / ATR({ATR_BARS})",
        "ATR / bar",
        max(memory + step, atr_lookback(ATR_BARS)),
        compute,
    )


def _spread(kind: str, average: Average, fast: int, slow: int, memory: int) -> Feature:
    return Feature(
        f"spread_{kind}_{fast}_{slow}",
        f"({kind.upper()}({fast}) - {kind.upper()}({slow})) / ATR({ATR_BARS})",
        "ATR",
        max(memory, atr_lookback(ATR_BARS)),
        lambda b: in_atr(b, average(b, fast) - average(b, slow)),
    )


def _side(bars: Bars, n: int) -> np.ndarray:
    """Sign of close - SMA(n), NaN in its warm-up."""
    return bars.once(("side_of_sma", n), lambda: np.sign(bars.close - sma(bars, n)))


def _side_share(n: int, over: int) -> Feature:
    return Feature(
        f"side_sma_{n}_share_{over}",
        f"mean over {over} of sign(close - SMA({n}))",
        "fraction",
        n + over - 1,
        lambda b: roll.mean(_side(b, n), over),
    )


def _crosses(n: int, over: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        side = _side(b, n)
        return roll.mean(0.5 * np.abs(side - roll.lag(side, 1)), over)

    return Feature(
        f"crosses_sma_{n}_share_{over}",
        f"share of the last {over} bars whose close crossed SMA({n})",
        "fraction",
        n + over,
        compute,
    )


def _ribbon_order(b: Bars) -> np.ndarray:
    return np.mean([np.sign(sma(b, fast) - sma(b, slow)) for fast, slow in pairwise(RIBBON)], axis=0)


def _ribbon_width(b: Bars) -> np.ndarray:
    lines = np.stack([sma(b, n) for n in RIBBON])
    return in_atr(b, lines.max(axis=0) - lines.min(axis=0))


DISTANCE_SMA_50 = _distance("sma", sma, 50, 50)
SPREAD_EMA_9_21 = _spread("ema", ema, 9, 21, roll.ema_lookback(21))

FEATURES: tuple[Feature, ...] = (
    *(_distance("sma", sma, n, n) for n in (5, 10, 20)),
    DISTANCE_SMA_50,
    *(_distance("sma", sma, n, n) for n in (100, 200)),
    *(_distance("ema", ema, n, roll.ema_lookback(n)) for n in (9, 21, 45)),
    _distance("wma", _wma, 10, 10),
    _distance("trima", _trima, 50, 50),
    _distance("hma", _hma, 16, 16 + 4 - 1),
    _distance("zlema", _zlema, 20, roll.ema_lookback(20) + (20 - 1) // 2),
    _distance("median", _median, 50, 50),
    *(_slope("sma", sma, n, step, n) for n, step in ((10, 2), (20, 5), (50, 5), (100, 10), (200, 20))),
    *(_slope("ema", ema, n, step, roll.ema_lookback(n)) for n, step in ((9, 2), (21, 3), (45, 4))),
    *(_spread("sma", sma, fast, slow, slow) for fast, slow in ((5, 20), (10, 50), (20, 50), (20, 100), (50, 200))),
    SPREAD_EMA_9_21,
    _spread("ema", ema, 21, 45, roll.ema_lookback(45)),
    _side_share(20, 20),
    _side_share(50, 50),
    _crosses(20, 50),
    _crosses(50, 100),
    Feature(
        "ribbon_order",
        "mean sign(SMA(fast) - SMA(slow)) over neighbours of SMA 10, 20, 50, 100, 200",
        "fraction",
        max(RIBBON),
        _ribbon_order,
    ),
    Feature(
        "ribbon_width",
        f"(highest - lowest of SMA 10, 20, 50, 100, 200) / ATR({ATR_BARS})",
        "ATR",
        max(*RIBBON, atr_lookback(ATR_BARS)),
        _ribbon_width,
    ),
)
