"""A small market and trades on it whose outcomes follow from its candles, for every test of evaluation."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles, Market

INTERVAL = pd.Timedelta("1h")
COST = 14e-4


def random_market(symbols: int, bars: int, seed: int) -> Market:
    random = np.random.default_rng(seed)
    times = pd.date_range("2024-01-01 01:00", periods=bars, freq=INTERVAL, tz="UTC", unit="ms", name="close_time")
    market: Market = {}
    for k in range(symbols):
        close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, bars)))
        opened = np.concatenate([[100.0], close[:-1]])
        frame = pd.DataFrame(
            {
                "open": opened,
                "high": np.maximum(opened, close),
                "low": np.minimum(opened, close),
                "close": close,
                "volume": 1.0,
            },
            index=times,
        )
        market[f"S{k}"] = Candles(f"S{k}", INTERVAL, frame)
    return market


def trades_on(market: Market, count: int, seed: int, longest: int = 24) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    names = list(market)
    rows = []
    for _ in range(count):
        symbol = names[random.integers(len(names))]
        frame = market[symbol].frame
        decided = int(random.integers(0, len(frame) - longest))
        end = decided + int(random.integers(1, longest))
        side = int(random.choice([-1, 1]))
        entry, exit_price = float(frame["open"].iloc[decided + 1]), float(frame["close"].iloc[end])
        risk = entry * 0.03
        gross_r = side * (exit_price - entry) / risk
        net_r = gross_r - COST / 2 * (entry + exit_price) / risk
        at = frame.index
        rows.append(
            (
                symbol,
                side,
                at[decided],
                at[decided],
                at[end],
                entry,
                exit_price,
                risk,
                gross_r,
                net_r,
                net_r > 0.0,
                "time",
            )
        )
    columns = [
        "symbol",
        "side",
        "decision_time",
        "entry_time",
        "end_time",
        "entry_price",
        "exit_price",
        "risk",
        "gross_r",
        "net_r",
        "won",
        "exit",
    ]
    return pd.DataFrame(rows, columns=columns).sort_values(["decision_time", "symbol"], ignore_index=True)


def informed(trades: pd.DataFrame, seed: int, strength: float = 0.1) -> np.ndarray:
    """Probabilities that know something of the outcome."""
    noise = np.random.default_rng(seed).normal(0.0, 0.1, len(trades))
    return np.clip(0.45 + strength * (trades["won"].to_numpy() - 0.5) + noise, 0.01, 0.99)


@pytest.fixture(scope="session")
def market() -> Market:
    return random_market(3, 1500, seed=1)


@pytest.fixture(scope="session")
def trades(market: Market) -> pd.DataFrame:
    return trades_on(market, 600, seed=2)


@pytest.fixture(scope="session")
def probability(trades: pd.DataFrame) -> np.ndarray:
    return informed(trades, seed=3)


@pytest.fixture(scope="session")
def sample() -> Callable[..., tuple[Market, pd.DataFrame]]:
    """Make another market with trades: `sample(symbols, bars, count, seed)`."""

    def make(symbols: int, bars: int, count: int, seed: int) -> tuple[Market, pd.DataFrame]:
        made = random_market(symbols, bars, seed)
        return made, trades_on(made, count, seed + 1)

    return make


@pytest.fixture(scope="session")
def guess() -> Callable[..., np.ndarray]:
    """Make probabilities for trades: `guess(trades, seed, strength)`."""
    return informed
