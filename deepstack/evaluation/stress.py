"""What is left of the taken trades when they cost more or the order is late."""

from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.config.labels import LabelsConfig
from deepstack.evaluation.trading import trade
from deepstack.labels.delayed import delayed

DELAYS_BARS = (0, 1, 2)
COST_FACTORS = (0.0, 1.0, 2.0)
SHOWN = ("trades_taken", "win_rate", "expectancy_r", "profit_factor", "sharpe", "max_drawdown", "total_return")


def stress(
    trades: pd.DataFrame, taken: np.ndarray, market: Market, config: LabelsConfig, risk_share: float
) -> list[dict[str, Any]]:
    """Trade a selection again with other costs, and some bars late.

    Args:
        trades: frame of TRADE_COLUMNS, as labelled.
        taken: bool [trades].
        market: the candles they were labelled on.
        config: how they were labelled; the costs in it count as 1.
        risk_share: fraction of equity lost when a trade loses 1 R.

    Returns:
        One row for each of DELAYS_BARS and COST_FACTORS: `delay_bars cost_factor` and the figures of SHOWN. Trades that
        a late order cannot enter any more are left out.
    """
    rows = []
    for delay_bars in DELAYS_BARS:
        later, kept = delayed(trades, market, delay_bars, config)
        for factor in COST_FACTORS:
            if later.empty:
                continue
            net_r = later["gross_r"] - factor * (later["gross_r"] - later["net_r"])
            figures, _ = trade(later.assign(net_r=net_r, won=net_r > 0.0), taken[kept], market, risk_share)
            rows.append({"delay_bars": delay_bars, "cost_factor": factor, **{name: figures[name] for name in SHOWN}})
    return rows
