"""What was asked at which moments of a market, and the answers: one record for every kind of label."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles, Market
from deepstack.config.labels import LabelsConfig
from deepstack.labels import horizons
from deepstack.labels.breakout import find_breakouts, label_and_count

CLASSES_OF: dict[str, tuple[str, ...]] = {"breakout": ("lost", "won"), "horizons": horizons.CLASSES}
"""Names of the answers, by `labels.kind`."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled samples.

    Attributes:
        samples: frame with symbol, decision_time, entry_time and end_time among its columns, sorted by decision time
            then symbol, index 0…n-1. Breakouts have TRADE_COLUMNS.
        outputs: what is asked at each sample: `won`, or the horizons.
        classes: names of the answers.
        codes: int8 [samples, outputs], index into `classes`.
        outcome_r: float64 [samples, outputs], worth in R: of the trade, after costs; or of a long position over the
            horizon, before them.
        cost_r: float64 [samples, outputs], cost of a round trip beyond that, in R.
        dropped: samples left out because a gap, or the end of the data, came before their outcome.
    """

    samples: pd.DataFrame
    outputs: tuple[str, ...]
    classes: tuple[str, ...]
    codes: np.ndarray
    outcome_r: np.ndarray
    cost_r: np.ndarray
    dropped: int

    def __len__(self) -> int:
        return len(self.samples)

    def keep(self, chosen: np.ndarray) -> "Labels":
        """Those samples alone, bool [samples] or positions, numbered from 0."""
        samples = (self.samples[chosen] if chosen.dtype == bool else self.samples.iloc[chosen]).reset_index(drop=True)
        parts = self.codes[chosen], self.outcome_r[chosen], self.cost_r[chosen]
        return Labels(samples, self.outputs, self.classes, *parts, self.dropped)


def label(market: Market, config: LabelsConfig) -> Labels:
    """Label a market as the config asks.

    Raises:
        DataError: nothing to label, or one class only.
        ConfigError: horizons that do not fit the bars.
    """
    return _LABEL[config.kind](market, config)


def decision_rows(candles: Candles, config: LabelsConfig) -> pd.DataFrame:
    """The moments at which the question is asked, the last bar's included, whether or not their outcome is known.

    Returns:
        Frame of symbol, decision_time and, for breakouts, side.
    """
    if config.kind == "breakout":
        rows, side, _ = find_breakouts(candles, config)
        return pd.DataFrame({"symbol": candles.symbol, "decision_time": candles.frame.index[rows], "side": side})
    rows, _ = horizons.decision_rows(candles, config.horizons)
    return pd.DataFrame({"symbol": candles.symbol, "decision_time": candles.frame.index[rows]})


def _breakouts(market: Market, config: LabelsConfig) -> Labels:
    trades, dropped = label_and_count(market, config)
    net_r = trades["net_r"].to_numpy(np.float64)[:, None]
    codes = trades["won"].to_numpy(np.int8)[:, None]
    return Labels(trades, ("won",), CLASSES_OF["breakout"], codes, net_r, np.zeros_like(net_r), dropped)


def _horizons(market: Market, config: LabelsConfig) -> Labels:
    samples, dropped = horizons.label_horizons(market, config.horizons)
    names = config.horizons.lengths

    def columns(prefix: str, dtype: type) -> np.ndarray:
        return samples[[f"{prefix}_{name}" for name in names]].to_numpy(dtype)

    cost_r = 2.0 * (config.fee_bps + config.slippage_bps) * 1e-4 / columns("risk", np.float64)
    codes, gross_r = columns("class", np.int8), columns("gross_r", np.float64)
    return Labels(samples, names, CLASSES_OF["horizons"], codes, gross_r, cost_r, dropped)


_LABEL: dict[str, Callable[[Market, LabelsConfig], Labels]] = {"breakout": _breakouts, "horizons": _horizons}
