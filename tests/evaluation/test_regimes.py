"""Regimes: what is a trend, what is volatile, and that neither looks ahead."""

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles
from deepstack.evaluation.regimes import by_regime, regime_table, regimes_of

BARS = 40
CUT = pd.Timestamp("2024-01-02", tz="UTC")


def market_of(returns: np.ndarray) -> dict[str, Candles]:
    close = 100.0 * np.exp(np.cumsum(returns))
    index = pd.date_range("2024-01-01 00:01", periods=len(close), freq="1min", tz="UTC", name="close_time").as_unit(
        "ms"
    )
    columns = {"open": close, "high": close, "low": close, "close": close, "volume": 1.0}
    return {"X": Candles("X", pd.Timedelta("1min"), pd.DataFrame(columns, index=index))}


def samples_at(market: dict[str, Candles], bars: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"symbol": "X", "decision_time": market["X"].frame.index[bars]})


def test_trends_and_volatility_are_told_apart() -> None:
    random = np.random.default_rng(0)
    quiet, wild = 1e-4 * random.normal(size=400), 1e-2 * random.normal(size=400)
    up, down = quiet[:100] + 1e-3, quiet[100:200] - 1e-3
    market = market_of(np.concatenate([quiet, up, down, wild]))
    found = regimes_of(market, samples_at(market, [5, 499, 599, 990]), BARS, CUT)
    assert found["trend"].tolist()[:3] == ["unknown", "up", "down"]
    assert found["volatility"].tolist() == ["unknown", "low", "low", "high"]


def test_later_bars_change_nothing() -> None:
    random = np.random.default_rng(1)
    returns = 1e-3 * random.normal(size=3000)
    changed = returns.copy()
    changed[2000:] *= 20.0
    one, other = market_of(returns), market_of(changed)
    asked = list(range(100, 2000, 50))
    pd.testing.assert_frame_equal(
        regimes_of(one, samples_at(one, asked), BARS, CUT), regimes_of(other, samples_at(other, asked), BARS, CUT)
    )


def test_figures_of_each_regime_are_of_its_samples() -> None:
    market = market_of(1e-3 * np.random.default_rng(2).normal(size=100))
    decided = market["X"].frame.index[[10, 20, 30, 40]]
    ends = decided + pd.Timedelta("5min")
    prices = [market["X"].frame["close"].loc[at].to_numpy() for at in (decided, ends)]
    trades = pd.DataFrame(
        {
            "symbol": "X",
            "side": np.int8(1),
            "decision_time": decided,
            "entry_time": decided,
            "end_time": ends,
            "entry_price": prices[0],
            "exit_price": prices[1],
            "risk": 0.01 * prices[0],
            "gross_r": [1.0, -1.0, 2.0, 0.5],
            "net_r": [1.0, -1.0, 2.0, 0.5],
            "won": [True, False, True, True],
        }
    )
    regimes = pd.DataFrame({"trend": ["up", "up", "down", "range"], "volatility": ["high", "low", "low", "unknown"]})
    codes, answers, taken = np.array([1, 0, 0, 1]), np.array([1, 1, 1, 1]), np.array([True, True, False, True])
    found = by_regime(regimes, codes, answers, trades, taken, market, 0.01)
    up = found["trend up"]
    assert (up["samples"], up["accuracy"], up["trades_taken"], up["win_rate"], up["expectancy_r"]) == (
        2,
        0.5,
        2,
        0.5,
        0.0,
    )
    assert up["confusion"] == [[0, 1], [0, 1]] and up["sharpe"] is not None
    down = found["trend down"]
    assert (down["accuracy"], down["trades_taken"], down["win_rate"], down["sharpe"]) == (0.0, 0, None, None)
    assert found["volatility low"]["samples"] == 2
    many = found | {"trend up": up | {"trades_taken": 30}}
    table = regime_table("1h", {"one": found, "other": many})
    assert table["regimes"] == ["trend up", "trend down", "trend range", "volatility high", "volatility low"]
    assert table["rows"]["one"][0][0] == "+0.000" and "Sharpe" not in table["rows"]["one"][0][1]
    assert "Sharpe" in table["rows"]["other"][0][1]
    assert table["rows"]["one"][1] == ("–", "0 of 1, 0% right")
