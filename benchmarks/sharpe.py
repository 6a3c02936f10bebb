"""Sharpe ratios without an edge: what is called real by luck, on candles that have no direction.

One pre-registered strategy, taking every breakout without costs, on 500 synthetic markets without an edge: its
probabilistic Sharpe ratio must be uniform (Kolmogorov-Smirnov p > 0.01). Searches: on each of 200 such markets twelve
strategies are tried and the best is kept; its deflated Sharpe ratio may exceed 0.95 in 5 % of them at the most. For the
record, how often the probabilistic one does. About three minutes on 2 cores: `python benchmarks/sharpe.py`.
"""

import argparse
import itertools
import sys

import numpy as np
from _result import Bar, write_result
from scipy.stats import kstest

from deepstack.candles.market import Market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.evaluation.overfitting import backtest_overfitting
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.sharpe import deflated_sharpe, probabilistic_sharpe, sharpe_ratio
from deepstack.evaluation.trading import trade
from deepstack.labels.breakout import label_breakouts

MARKET = SyntheticConfig(symbols=1, bars=3000, interval="1h", edge=0.0)
RISK = 0.01
STRATEGIES = [
    {"channel_bars": channel, "target_r": target, "direction": direction}
    for channel, target, direction in itertools.product((10, 30), (1.0, 2.0), ("both", "long", "short"))
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--searches", type=int, default=200)
    arguments = parser.parse_args()
    alone = [
        probabilistic_sharpe(returns_of(make_market(MARKET, 10_000 + seed), {}).values)
        for seed in range(arguments.series)
    ]
    uniform = kstest(alone, "uniform")
    print(
        f"{len(alone)} series, probabilistic Sharpe ratio: quartiles {np.quantile(alone, [0.25, 0.5, 0.75]).round(3)}"
    )
    deflated, undeflated, overfitted = [], [], []
    for seed in range(arguments.searches):
        market = make_market(MARKET, 50_000 + seed)
        tried = [returns_of(market, strategy) for strategy in STRATEGIES]
        days = tried[0].days.union(tried[-1].days)
        returns = np.array([one.on(days) for one in tried])
        sharpes = np.array([sharpe_ratio(one) for one in returns])
        best = returns[np.nanargmax(sharpes)]
        deflated.append(deflated_sharpe(best, sharpes))
        undeflated.append(probabilistic_sharpe(best))
        found = backtest_overfitting(returns.T, 8)
        overfitted.append(np.nan if found is None else found.probability)
    shares = [float(np.mean(np.array(values) > 0.95)) for values in (deflated, undeflated)]
    print(f"best of {len(STRATEGIES)} called real: {shares[0]:.1%} deflated, {shares[1]:.1%} not deflated")
    bars = [
        Bar(
            f"probabilistic Sharpe ratio of {len(alone)} series without an edge is uniform, p",
            uniform.pvalue,
            ">=",
            0.01,
        ),
        Bar(
            f"share of {len(deflated)} searches without an edge whose deflated Sharpe ratio is over 0.95",
            shares[0],
            "<=",
            0.05,
        ),
    ]
    figures = {
        "ks_statistic": float(uniform.statistic),
        "over_95_without_deflation": shares[1],
        "mean_probability_of_overfitting": float(np.nanmean(overfitted)),
        "strategies": len(STRATEGIES),
    }
    sys.exit(write_result("sharpe", bars, **figures))


def returns_of(market: Market, strategy: dict[str, object]) -> DailyReturns:
    """Daily returns of taking every breakout of a kind, without costs."""
    trades = label_breakouts(market, LabelsConfig(fee_bps=0.0, slippage_bps=0.0, **strategy))
    return trade(trades, np.ones(len(trades), bool), market, RISK)[1]


if __name__ == "__main__":
    main()
