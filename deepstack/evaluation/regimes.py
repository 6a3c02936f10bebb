"""Figures by market regime: trend up, trend down or range; high or low volatility, as seen at the decision."""

from typing import Any

import numpy as np
import pandas as pd

from deepstack.candles.market import Market

TREND_SIGMA = 1.0
"""A move over the window of more than so many standard deviations of a random walk is a trend."""


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


def by_regime(regimes: pd.DataFrame, right: np.ndarray, trades: pd.DataFrame, taken: np.ndarray) -> dict[str, Any]:
    """Figures of one model in each regime.

    Args:
        regimes: from `regimes_of`, of the same samples.
        right: bool [samples], whether the likeliest class was the true one.
        trades: the trade each sample stands for, columns won and net_r.
        taken: bool [samples].

    Returns:
        `trend up`, … → `samples accuracy trades_taken win_rate expectancy_r`; the last two None where nothing is taken.
    """
    figures = {}
    for column, names in (("trend", ("up", "down", "range")), ("volatility", ("high", "low"))):
        for name in names:
            inside = (regimes[column] == name).to_numpy()
            chosen = inside & taken
            count = int(chosen.sum())
            figures[f"{column} {name}"] = {
                "samples": int(inside.sum()),
                "accuracy": float(right[inside].mean()) if inside.any() else None,
                "trades_taken": count,
                "win_rate": float(trades["won"].to_numpy(bool)[chosen].mean()) if count else None,
                "expectancy_r": float(trades["net_r"].to_numpy()[chosen].mean()) if count else None,
            }
    return figures


def regime_table(output: str, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures as a report shows them: `title`, `models`, and `rows`, regime → (expectancy, the rest) a model.

    Args:
        output: what was asked.
        models: model → from `by_regime`.
    """
    regimes = next(iter(models.values()))
    return {
        "title": output,
        "models": [name.replace("_", " ") for name in models],
        "rows": {name: [_cell(figures[name]) for figures in models.values()] for name in regimes},
    }


def _cell(figures: dict[str, Any]) -> tuple[str, str]:
    accuracy = "" if figures["accuracy"] is None else f", {figures['accuracy']:.0%} right"
    if not figures["trades_taken"]:
        return "–", f"0 of {figures['samples']:,}{accuracy}"
    taken = f"{figures['trades_taken']:,} of {figures['samples']:,}, {figures['win_rate']:.0%} won{accuracy}"
    return f"{figures['expectancy_r']:+.3f}", taken
