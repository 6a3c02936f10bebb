"""The fingerprint moves with anything that matters and with nothing else."""

import numpy as np
import pandas as pd

from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.market import Candles
from deepstack.candles.times import close_index

HOUR = pd.Timedelta("1h")


def candles(symbol: str = "A", shift_ms: int = 0, bump: float = 0.0, interval: pd.Timedelta = HOUR) -> Candles:
    values = np.arange(20, dtype=np.float64).reshape(4, 5)
    values[2, 3] += bump
    index = close_index(3_600_000 * np.arange(1, 5) + shift_ms)
    return Candles(symbol, interval, pd.DataFrame(values, index, ["open", "high", "low", "close", "volume"]))


def test_it_is_stable() -> None:
    assert fingerprint({"A": candles()}) == "6788108b282bf2acd962060bde5df5fc31dbd21e3e44b0dd61156f495952d29e"
    assert fingerprint({"A": candles(), "B": candles("B")}) == fingerprint({"B": candles("B"), "A": candles()})


def test_memory_layout_and_time_unit_do_not_matter() -> None:
    plain = candles()
    other = plain.frame.copy()
    other.index = other.index.as_unit("ns")
    for name in other.columns:
        other[name] = other[name].to_numpy().copy()
    assert fingerprint({"A": plain}) == fingerprint({"A": Candles("A", HOUR, other)})


def test_everything_that_matters_moves_it() -> None:
    renamed = candles()
    variants = [
        {"A": candles()},
        {"B": candles("B")},
        {"A": candles(shift_ms=1)},
        {"A": candles(bump=1e-12)},
        {"A": candles(interval=2 * HOUR)},
        {"A": Candles("A", HOUR, renamed.frame.rename(columns={"volume": "trades"}))},
        {"A": Candles("A", HOUR, renamed.frame.iloc[:-1])},
        {"A": candles(), "B": candles("B")},
    ]
    assert len({fingerprint(market) for market in variants}) == len(variants)
