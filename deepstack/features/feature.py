"""What a feature is: one causal series over one run of candles, with its formula, unit and memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepstack.features.bars import Bars


@dataclass(frozen=True)
class Feature:
    """One column of the feature table.

    Attributes:
        name: snake_case, unique in the catalogue, with its window in bars: `rsi_14`.
        formula: how it is computed, in one line a reader can check.
        unit: what a value of 1 means: `ratio`, `log return`, `sigma`, `ATR`, `fraction`, `rank`, …
        lookback_bars: trailing bars (the current one included) that fix the value within 1e-6 of its scale.
        compute: bars → float64 array of the same length; value t depends on bars at or before t only.
            The first `lookback_bars - 1` values may be anything, NaN included; every later one is finite.
        needs: what the bars must carry: `trades`, `taker_buy_volume`, `peers`.
        limit: absolute value at which it is clipped, so that float32 and the network's first layer stay sane.
    """

    name: str
    formula: str
    unit: str
    lookback_bars: int
    compute: Callable[[Bars], np.ndarray]
    needs: tuple[str, ...] = ()
    limit: float = 1e4

    def on(self, bars: Bars) -> np.ndarray:
        """`compute(bars)`, computed once a run of bars: how one feature builds on another."""
        return bars.once(("feature", self.name), lambda: self.compute(bars))
