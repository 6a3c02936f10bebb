"""A seeded synthetic market: regimes, clustered volatility, fat tails, volume, and a planted edge of known strength."""

import numpy as np
import pandas as pd

from deepstack.candles.market import REQUIRED_COLUMNS, Candles, Market
from deepstack.candles.simulator import MEMORY_BARS, Tape, draw, step
from deepstack.config.data import SyntheticConfig
from deepstack.errors import ConfigError

START = pd.Timestamp("2020-01-01", tz="UTC")
WARM_UP_BARS = MEMORY_BARS + 400  # discarded, so that the first bar already follows the stationary law
CORRELATION = 0.3
SEASON_LOG_VOLUME = 0.2
CHUNK_BARS = 1024


def make_market(config: SyntheticConfig, seed: int) -> Market:
    """Make the synthetic market.

    With `edge` > 0 the drift of each bar, in units of its volatility, is an exact function of the candles before it
    (`simulator.planted_drift`); with `edge` 0 every price is a martingale.

    Returns:
        `config.symbols` symbols SYN01, SYN02, …, each of `config.bars` bars without a gap, the first opening at START.

    Raises:
        ConfigError: `config.interval` is no positive length of time.
    """
    return to_market(simulate(config, seed), config, seed)


def to_market(tape: Tape, config: SyntheticConfig, seed: int) -> Market:
    """The candles of a simulated tape, each symbol at its own level of price and volume."""
    interval = _interval(config)
    index = pd.date_range(START + interval, periods=config.bars, freq=interval, name="close_time").as_unit("ms")
    levels = np.random.default_rng([seed, 1]).uniform(np.log(0.1), np.log(10_000.0), config.symbols)
    market = {}
    for column, level in enumerate(np.exp(levels)):
        factor = dict.fromkeys(REQUIRED_COLUMNS, level) | {"volume": 1e6 / level}
        rows = {name: getattr(tape, name)[WARM_UP_BARS:, column] * factor[name] for name in REQUIRED_COLUMNS}
        symbol = f"SYN{column + 1:02d}"
        market[symbol] = Candles(symbol, interval, pd.DataFrame(rows, index=index))
    return market


def simulate(config: SyntheticConfig, seed: int) -> Tape:
    """The market with its hidden states: `config.bars` rows after WARM_UP_BARS rows, one column a symbol."""
    rng = np.random.default_rng([seed, 0])
    rows = WARM_UP_BARS + config.bars
    tape = Tape.blank(_season(config, rows), rng)
    for start in range(MEMORY_BARS, rows, CHUNK_BARS):
        count = min(CHUNK_BARS, rows - start)
        shocks = draw(rng, count, config.symbols, CORRELATION)
        for k in range(count):
            step(tape, start + k, shocks.bar(k), config.edge)
    return tape


def _season(config: SyntheticConfig, rows: int) -> np.ndarray:
    """Log volume of the time of day, busiest at 15:00 UTC, [rows, symbols]; none for bars of a day or longer."""
    interval, day = _interval(config), pd.Timedelta("1D")
    if interval >= day:
        return np.zeros((rows, config.symbols))
    hours = (np.arange(rows) - WARM_UP_BARS + 0.5) * (interval / pd.Timedelta("1h"))
    season = SEASON_LOG_VOLUME * np.cos(2.0 * np.pi * (hours - 15.0) / 24.0)
    return np.repeat(season[:, None], config.symbols, axis=1)


def _interval(config: SyntheticConfig) -> pd.Timedelta:
    try:
        interval = pd.Timedelta(config.interval)
    except ValueError:
        interval = pd.Timedelta(0)
    if not interval >= pd.Timedelta(1, "s"):
        raise ConfigError(
            "data.synthetic.interval",
            expected="a length of time of a second or more",
            received=repr(config.interval),
            remedy="1min, 15min, 1h or 1D",
        )
    return interval
