"""Two stages: what a first model proposes at its threshold, taken where a second confirms it at its own."""

from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.trading import equity_scores, outcome_scores
from deepstack.pipeline.position import lean


def confirmed(first: np.ndarray, second: np.ndarray, thresholds: tuple[float, float]) -> np.ndarray:
    """Which trades of the first model both take, bool [samples].

    Args:
        first, second: float64 [samples, classes].
        thresholds: of each, of P(won), or of |P(buy) − P(sell)|; the directions must agree too.
    """
    leans = [lean(probability) for probability in (first, second)]
    both = np.logical_and.reduce([np.abs(one) >= least for one, least in zip(leans, thresholds, strict=True)])
    return both & (np.sign(leans[0]) == np.sign(leans[1]))


def trading_block(taken: np.ndarray, trades: pd.DataFrame, market: Market, risk_share: float) -> dict[str, Any]:
    """The trading figures of a report's block for given decisions; what ranks or calibrates is not defined."""
    won, net_r = trades["won"].to_numpy(bool), trades["net_r"].to_numpy(np.float64)
    equity = equity_curve(mark_trades(trades, market), taken, risk_share)
    return {**outcome_scores(won, net_r, taken), **equity_scores(equity)}
