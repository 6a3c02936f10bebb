"""Figures by market regime: trend up, trend down or range; high or low volatility, as seen at the decision."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from deepstack.candles.market import Market
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.trading import equity_scores, outcome_scores

REGIMES = {"trend": ("up", "down", "range"), "volatility": ("high", "low")}
TREND_SIGMA = 1.0
"""A move over the window of more than so many standard deviations of a random walk is a trend."""
LEAST_TRADES = 30
"""Of fewer a table shows no yearly ratio; report.json has it."""


def regimes_of(market: Market, samples: pd.DataFrame, bars: int, before: pd.Timestamp) -> pd.DataFrame:
    """The regime at each decision, from bars at or before it.

    Trend: the log return over `bars` bars, as a share of their deviation times √bars, beyond ±1 or between. Volatility:
    that deviation above or below the symbol's median over the bars before `before`, where the test slice begins.

    Args:
        market: the candles.
        samples: columns symbol and decision_time.
        bars: trailing bars.
        before: no bar from here on settles what is high.

    Returns:
        Frame of `trend` (`up`, `down`, `range`) and `volatility` (`high`, `low`), one row a sample; `unknown` where a
        symbol has fewer bars.
    """
    found = pd.DataFrame("unknown", index=samples.index, columns=["trend", "volatility"])
    for symbol, candles in market.items():
        asked = samples["symbol"] == symbol
        log_close = np.log(candles.frame["close"])
        deviation = log_close.diff().rolling(bars).std()
        strength = (log_close - log_close.shift(bars)) / (deviation * np.sqrt(bars))
        usual = deviation[deviation.index < before].median()
        at = pd.DatetimeIndex(samples.loc[asked, "decision_time"])
        moved, spread = strength.reindex(at).to_numpy(), deviation.reindex(at).to_numpy()
        known = np.isfinite(moved)
        trend = np.where(moved > TREND_SIGMA, "up", np.where(moved < -TREND_SIGMA, "down", "range"))
        found.loc[asked, "trend"] = np.where(known, trend, "unknown")
        found.loc[asked, "volatility"] = np.where(known, np.where(spread > usual, "high", "low"), "unknown")
    return found


def by_regime(
    regimes: pd.DataFrame,
    codes: np.ndarray,
    answers: np.ndarray,
    trades: pd.DataFrame,
    taken: np.ndarray,
    market: Market,
    risk_share: float,
) -> dict[str, Any]:
    """Figures of one model in each regime.

    Args:
        regimes: from `regimes_of`, of the same samples.
        codes, answers: int [samples], the true class and the likeliest.
        trades: frame of TRADE_COLUMNS, the trade each sample stands for.
        taken: bool [samples].
        market: the candles the trades were labelled on.
        risk_share: of equity, a trade, for Sharpe and Sortino over the whole span.

    Returns:
        `trend up`, … → `samples accuracy confusion trades_taken win_rate expectancy_r sharpe sortino`; None where a
        figure is not defined.
    """
    marks, found = mark_trades(trades, market), {}
    won, net_r = trades["won"].to_numpy(bool), trades["net_r"].to_numpy(np.float64)
    classes = np.arange(max(codes.max(), answers.max(), 1) + 1)
    for column, names in REGIMES.items():
        for name in names:
            inside = (regimes[column] == name).to_numpy()
            chosen = inside & taken
            equity = equity_scores(equity_curve(marks, chosen, risk_share))
            outcome = outcome_scores(won[inside], net_r[inside], taken[inside]) if inside.any() else {}
            found[f"{column} {name}"] = {
                "samples": int(inside.sum()),
                "accuracy": float((codes == answers)[inside].mean()) if inside.any() else None,
                "confusion": confusion_matrix(codes[inside], answers[inside], labels=classes).tolist()
                if inside.any()
                else np.zeros((len(classes), len(classes)), int).tolist(),
                "trades_taken": int(chosen.sum()),
                "win_rate": outcome.get("win_rate"),
                "expectancy_r": outcome.get("expectancy_r"),
                "sharpe": equity["sharpe"] if chosen.any() else None,
                "sortino": equity["sortino"] if chosen.any() else None,
            }
    return found


def regime_table(output: str, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures as a report shows them: `title`, `regimes`, and `rows`, model → (expectancy, the rest) a regime.

    Args:
        output: what was asked.
        models: model → from `by_regime`.
    """
    regimes = list(next(iter(models.values())))
    return {
        "title": output,
        "regimes": regimes,
        "rows": {name: [_cell(figures[regime]) for regime in regimes] for name, figures in models.items()},
    }


def _cell(figures: dict[str, Any]) -> tuple[str, str]:
    accuracy = "" if figures["accuracy"] is None else f", {figures['accuracy']:.0%} right"
    if not figures["trades_taken"]:
        return "–", f"0 of {figures['samples']:,}{accuracy}"
    taken = f"{figures['trades_taken']:,} of {figures['samples']:,}, {figures['win_rate']:.0%} won{accuracy}"
    ratios = (
        f"{name.capitalize()} {figures[name]:+.2f}"
        for name in ("sharpe", "sortino")
        if figures[name] is not None and figures["trades_taken"] >= LEAST_TRADES
    )
    return f"{figures['expectancy_r']:+.3f}", ", ".join([taken, *ratios])
