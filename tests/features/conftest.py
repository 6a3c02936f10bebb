"""Candles for the feature tests: ordinary ones, and a dead market."""

import numpy as np
import pytest

from deepstack.features.bars import Bars


def random_bars(count: int = 900, seed: int = 5) -> Bars:
    rng = np.random.default_rng(seed)
    step = 0.004 * rng.standard_t(4, size=count)
    step[rng.integers(0, count, count // 20)] = 0.0
    close = 100.0 * np.exp(np.cumsum(step))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(3e-4 * rng.normal(size=count))
    reach = 2e-3 * rng.exponential(size=(2, count))
    volume = rng.lognormal(3.0, 0.8, size=count)
    peers = 0.6 * step[:, None] + 0.003 * rng.normal(size=(count, 4))
    return Bars(
        open=open_,
        high=np.maximum(open_, close) * np.exp(reach[0]),
        low=np.minimum(open_, close) * np.exp(-reach[1]),
        close=close,
        volume=volume,
        close_ms=60_000 * np.arange(1, count + 1, dtype=np.int64),
        interval_ms=60_000,
        extra={
            "trades": np.ceil(10.0 * rng.lognormal(size=count)),
            "taker_buy_volume": volume * rng.uniform(size=count),
        },
        peers=peers,
    )


@pytest.fixture
def bars() -> Bars:
    """900 bars of fat-tailed candles with four peers, trade counts and taker volume."""
    return random_bars()


@pytest.fixture
def dead() -> Bars:
    """600 bars in which nothing trades and the price stands still."""
    still, nothing = np.full(600, 3.3), np.zeros(600)
    return Bars(
        open=still,
        high=still,
        low=still,
        close=still,
        volume=nothing,
        close_ms=60_000 * np.arange(1, 601, dtype=np.int64),
        interval_ms=60_000,
        extra={"trades": nothing, "taker_buy_volume": nothing},
        peers=np.full((600, 2), np.nan),
    )
