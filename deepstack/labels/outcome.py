"""How an open trade ends: the one outcome rule behind both the labels and the attainable AUC."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from deepstack.config.labels import LabelsConfig

EXITS = ("stop", "target", "time")


class Bar(NamedTuple):
    """One bar of each trade, float64 [trades]; NaN where the bar is missing."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray


class Outcome(NamedTuple):
    """How each trade ended, [trades].

    Attributes:
        exit: int8 index into EXITS; -1 where a bar was missing before the outcome was known.
        holding_bars: int64, bars from the entry bar to the exit bar, both included; 0 where unknown.
        exit_price: float64 fill before slippage; NaN where unknown.
    """

    exit: np.ndarray
    holding_bars: np.ndarray
    exit_price: np.ndarray


def resolve(
    bar_at: Callable[[int], Bar], side: np.ndarray, entry_price: np.ndarray, risk: np.ndarray, config: LabelsConfig
) -> Outcome:
    """Follow every trade to its exit.

    The entry bar counts. A stop fills at the worse of its price and the bar's open. A target fills at its price even
    when the bar opens beyond it, which can only understate the result. When one bar holds both, the stop wins,
    since the order inside a bar is unknown. Otherwise the trade ends at the close of bar `max_holding_bars`.

    Args:
        bar_at: k → bar k of every trade, 0 the entry bar; called once for each k, in order.
        side: +1 long or -1 short, [trades].
        entry_price: fill of the entry, [trades].
        risk: price distance of the stop from the entry, > 0, [trades].
    """
    stop = side * entry_price - risk
    target = side * entry_price + config.target_r * risk
    exit_ = np.full(len(side), -1, np.int8)
    holding_bars = np.zeros(len(side), np.int64)
    exit_price = np.full(len(side), np.nan)
    running = np.ones(len(side), bool)
    is_long = side > 0
    for k in range(config.max_holding_bars):
        bar = bar_at(k)
        running &= ~np.isnan(bar.close)
        # Signed by the side, a short reads like a long: the worst price is the lowest.
        worst = side * np.where(is_long, bar.low, bar.high)
        best = side * np.where(is_long, bar.high, bar.low)
        stopped = running & (worst <= stop)
        reached = running & ~stopped & (best >= target)
        timed = running & ~stopped & ~reached if k == config.max_holding_bars - 1 else np.zeros_like(running)
        for code, hit, fill in (
            (0, stopped, np.minimum(stop, side * bar.open)),
            (1, reached, target),
            (2, timed, side * bar.close),
        ):
            exit_[hit] = code
            holding_bars[hit] = k + 1
            exit_price[hit] = (side * fill)[hit]
        running &= ~(stopped | reached)
    return Outcome(exit_, holding_bars, exit_price)


def result_in_r(
    side: np.ndarray, entry_price: np.ndarray, exit_price: np.ndarray, risk: np.ndarray, config: LabelsConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Gross and net outcome in multiples of the risk; fee and slippage are paid on the entry and on the exit price."""
    gross_r = side * (exit_price - entry_price) / risk
    cost_r = (config.fee_bps + config.slippage_bps) * 1e-4 * (entry_price + exit_price) / risk
    return gross_r, gross_r - cost_r
