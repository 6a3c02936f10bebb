"""The law of motion of the synthetic market: one step writes one bar, for any number of columns at once.

A column is one symbol when a market is made, and one future of one candidate when the attainable AUC is measured; both
run this same code. All that the market remembers stands on a `Tape`, so a future is branched by copying its last rows.

Unless an edge is planted, the price is a martingale and each bar a continuous path: its high, low and close come from
an exact law, not from a few sub-steps. A stop or target filled at its own price is therefore filled where the path
was, and a trade earns nothing on average before costs (but for bars that hold both, where labels let the stop win).

Sources: GARCH(1,1), Bollerslev 1986, J. Econometrics 31; Student t as a scale mixture of normals, Praetz 1972,
J. Business 45; extremes of a Brownian bridge, Glasserman 2003, Monte Carlo Methods in Financial Engineering, section
6.4; the path of greatest high for a given end, Azéma & Yor 1979, Séminaire de Probabilités XIII.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from scipy.special import erfcx, ndtr

MEMORY_BARS = 100  # trailing bars that fix the planted drift

VOLATILITY_PER_BAR = 0.008  # the same at every bar interval, so that costs in R do not depend on it
GARCH_SHOCK, GARCH_MEMORY = 0.06, 0.91
DEGREES_OF_FREEDOM = 6.0
REGIME_SCALE = np.array([0.8, 1.35])  # calm, volatile
REGIME_LEAVE = np.array([1 / 400, 1 / 200])  # probability of leaving each regime after a bar
LARGEST_VOLATILITY = 0.1  # of one bar; keeps prices positive
GAP_SHARE = 0.02  # open against the previous close, in volatilities

VOLUME_MEMORY, VOLUME_SD = 0.985, 0.55
VOLUME_NOISE = 0.15
VOLUME_PER_MOVE = 0.25  # log volume for each volatility of absolute return
WICK_MEMORY = 0.993

CHANNEL_BARS, DIRECTION_BARS = 20, 48
VOLUME_FAST_BARS, VOLUME_SLOW_BARS, WICK_BARS = 10, 100, 20
VOLUME_SCALE = 0.40
WICK_CENTRE, WICK_SCALE = 0.145, 0.09
WEIGHT_VOLUME, WEIGHT_WICK = 0.16, 0.86
DRIFT_PER_EDGE = 0.095  # volatilities a bar at one standard deviation of the signal

# Trailing bars of each series that the next bars depend on; of all others the last bar alone.
_MEMORY_BARS = {"volume": MEMORY_BARS, "wick": WICK_BARS, "high": CHANNEL_BARS, "low": CHANNEL_BARS}

# Depth l of the Azéma-Yor path's low against its probability, tabulated: the inverse has no closed form.
_DIP_DEPTH = np.concatenate([np.geomspace(1e-9, 1e-3, 512, endpoint=False), np.linspace(1e-3, 7.0, 4096)])
_DIP_PROBABILITY = _DIP_DEPTH / (np.exp(-0.5 * _DIP_DEPTH**2) / np.sqrt(2.0 * np.pi) + _DIP_DEPTH * ndtr(_DIP_DEPTH))


@dataclass(frozen=True)
class Tape:
    """All that the market remembers, by row (bar) and column; every array is [rows, columns].

    Attributes:
        open, high, low, close: float64 prices.
        volume: float64, relative to the column's usual level.
        season: float64, log volume of the time of day; known for all rows beforehand.
        wick: float64, (upper wick − lower wick) / range of the bar.
        direction: float64, side of the last break of the channel, 0 when there is none or it is stale.
        age: float64, bars since that break.
        variance: float64, GARCH variance of this bar, mean 1.
        regime: float64, 0 calm or 1 volatile.
        activity: float64, exogenous log volume.
        asymmetry: float64, exogenous, standard normal: sign the side of the longer wicks, size how often they come.
    """

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    season: np.ndarray
    wick: np.ndarray
    direction: np.ndarray
    age: np.ndarray
    variance: np.ndarray
    regime: np.ndarray
    activity: np.ndarray
    asymmetry: np.ndarray

    @classmethod
    def blank(cls, season: np.ndarray, rng: np.random.Generator) -> "Tape":
        """A tape whose first MEMORY_BARS rows are still bars at price 1, its hidden states at their stationary law."""
        rows = {f.name: np.zeros_like(season) for f in fields(cls)} | {"season": season}
        columns = season.shape[1]
        for name in ("open", "high", "low", "close", "volume", "variance"):
            rows[name][:MEMORY_BARS] = 1.0
        rows["regime"][:MEMORY_BARS] = rng.random(columns) < REGIME_LEAVE[0] / REGIME_LEAVE.sum()
        rows["activity"][:MEMORY_BARS] = VOLUME_SD * rng.standard_normal(columns)
        rows["asymmetry"][:MEMORY_BARS] = rng.standard_normal(columns)
        return cls(**rows)

    def branch(self, rows: np.ndarray, columns: np.ndarray, futures: int, horizon_bars: int) -> "Tape":
        """Copy what the market remembers at each (row, column), `futures` times side by side.

        Returns:
            a tape of MEMORY_BARS + `horizon_bars` rows and len(rows) × `futures` columns, the futures of one candidate
            side by side; its last `horizon_bars` rows are still to be written by `step`.
        """
        shape = (MEMORY_BARS + horizon_bars, len(rows) * futures)
        copies = {f.name: np.zeros(shape) for f in fields(self)}
        for name, copy in copies.items():
            kept = _MEMORY_BARS.get(name, 1)
            at = rows[None, :] + np.arange(1 - kept, 1)[:, None]
            copy[MEMORY_BARS - kept : MEMORY_BARS] = np.repeat(getattr(self, name)[at, columns], futures, axis=1)
        # The season is known beforehand; past the end of the tape no candle can follow, so any value serves.
        ahead = np.minimum(rows[None, :] + np.arange(1, horizon_bars + 1)[:, None], len(self.season) - 1)
        copies["season"][MEMORY_BARS:] = np.repeat(self.season[ahead, columns], futures, axis=1)
        return Tape(**copies)


class Shocks(NamedTuple):
    """Independent randomness of a run of bars; the first axis is the bar, the last the column."""

    path: np.ndarray  # standard normal [bars, columns]
    upper: np.ndarray  # standard exponential [bars, columns]
    lower: np.ndarray  # standard exponential [bars, columns]
    dip: np.ndarray  # uniform [bars, columns]
    lean: np.ndarray  # uniform [bars, columns]
    tail: np.ndarray  # mixing variance of the Student t, mean 1 [bars, columns]
    gap: np.ndarray  # standard normal [bars, columns]
    activity: np.ndarray  # standard normal [bars, columns]
    asymmetry: np.ndarray  # standard normal [bars, columns]
    volume: np.ndarray  # standard normal [bars, columns]
    regime: np.ndarray  # uniform [bars, columns]

    def bar(self, index: int) -> "Shocks":
        """The shocks of one bar, without the first axis."""
        return Shocks(*(series[index] for series in self))


def draw(rng: np.random.Generator, bars: int, columns: int, correlation: float = 0.0) -> Shocks:
    """Draw the shocks of `bars` bars; `correlation` is that of the price shocks of any two columns."""
    path = rng.standard_normal((bars, columns))
    if correlation:
        common = rng.standard_normal((bars, 1))
        path = np.sqrt(1.0 - correlation) * path + np.sqrt(correlation) * common
    return Shocks(
        path=path,
        upper=rng.standard_exponential((bars, columns)),
        lower=rng.standard_exponential((bars, columns)),
        dip=rng.random((bars, columns)),
        lean=rng.random((bars, columns)),
        tail=(DEGREES_OF_FREEDOM - 2.0) / (2.0 * rng.standard_gamma(DEGREES_OF_FREEDOM / 2.0, (bars, columns))),
        gap=rng.standard_normal((bars, columns)),
        activity=rng.standard_normal((bars, columns)),
        asymmetry=rng.standard_normal((bars, columns)),
        volume=rng.standard_normal((bars, columns)),
        regime=rng.random((bars, columns)),
    )


def signal(tape: Tape, row: int) -> tuple[np.ndarray, np.ndarray]:
    """The two statistics that carry the edge after bar `row`, from its last MEMORY_BARS candles alone.

    Returns:
        relative volume: log of the mean volume of 10 bars against that of 100, [columns].
        wick asymmetry: mean of (upper wick − lower wick) / range over 20 bars, [columns].
    """
    fast = tape.volume[row + 1 - VOLUME_FAST_BARS : row + 1].sum(axis=0)
    slow = tape.volume[row + 1 - VOLUME_SLOW_BARS : row + 1].sum(axis=0)
    relative_volume = np.log(fast / slow * (VOLUME_SLOW_BARS / VOLUME_FAST_BARS))
    return relative_volume, tape.wick[row + 1 - WICK_BARS : row + 1].sum(axis=0) / WICK_BARS


def planted_drift(tape: Tape, row: int) -> np.ndarray:
    """Drift of the bar after `row` at edge 1, in volatilities of that bar, [columns]; bounded.

    It goes with the last channel break when volume is high (linear, half of the effect or less) and when the wicks
    are lopsided to either side (a V, which no linear model sees), and against it otherwise.
    """
    relative_volume, wick = signal(tape, row)
    linear = np.clip(relative_volume / VOLUME_SCALE, -2.5, 2.5)
    vee = np.minimum((np.abs(wick) - WICK_CENTRE) / WICK_SCALE, 2.5)
    return DRIFT_PER_EDGE * tape.direction[row] * (WEIGHT_VOLUME * linear + WEIGHT_WICK * vee)


def step(tape: Tape, row: int, shocks: Shocks, edge: float) -> None:
    """Write bar `row` from the rows before it; `shocks` are those of one bar."""
    _step_hidden(tape, row, shocks)
    scale = VOLATILITY_PER_BAR * REGIME_SCALE[tape.regime[row].astype(np.intp)] * np.sqrt(tape.variance[row])
    drift = edge * scale * planted_drift(tape, row - 1) if edge else 0.0
    tape.open[row] = tape.close[row - 1] * (1.0 + GAP_SHARE * scale * shocks.gap)
    spread = np.minimum(scale * np.sqrt(shocks.tail), LARGEST_VOLATILITY)
    asymmetry = 2.0 * ndtr(tape.asymmetry[row]) - 1.0
    lean = np.sign(asymmetry) * (shocks.lean < np.abs(asymmetry))
    high, low = _shape(shocks.path, lean, shocks)
    move = spread * shocks.path + drift
    tape.close[row] = tape.open[row] * (1.0 + move)
    top, bottom = np.maximum(tape.open[row], tape.close[row]), np.minimum(tape.open[row], tape.close[row])
    tape.high[row] = np.maximum(top, tape.open[row] * (1.0 + spread * high))
    tape.low[row] = np.minimum(bottom, tape.open[row] * (1.0 + spread * low))
    tape.wick[row] = (tape.high[row] - top - bottom + tape.low[row]) / (tape.high[row] - tape.low[row])
    tape.volume[row] = np.exp(
        tape.season[row] + tape.activity[row] + VOLUME_PER_MOVE * np.abs(move) / scale + VOLUME_NOISE * shocks.volume
    )
    _step_direction(tape, row)


def _step_hidden(tape: Tape, row: int, shocks: Shocks) -> None:
    before = row - 1
    regime = tape.regime[before]
    leave = shocks.regime < REGIME_LEAVE[regime.astype(np.intp)]
    tape.regime[row] = np.where(leave, 1.0 - regime, regime)
    scale = VOLATILITY_PER_BAR * REGIME_SCALE[regime.astype(np.intp)]
    surprise = np.minimum(((tape.close[before] / tape.open[before] - 1.0) / scale) ** 2, 30.0 * tape.variance[before])
    pull = 1.0 - GARCH_SHOCK - GARCH_MEMORY
    tape.variance[row] = pull + GARCH_SHOCK * surprise + GARCH_MEMORY * tape.variance[before]
    news = VOLUME_SD * np.sqrt(1.0 - VOLUME_MEMORY**2) * shocks.activity
    tape.activity[row] = VOLUME_MEMORY * tape.activity[before] + news
    tape.asymmetry[row] = WICK_MEMORY * tape.asymmetry[before] + np.sqrt(1.0 - WICK_MEMORY**2) * shocks.asymmetry


def _shape(z: np.ndarray, lean: np.ndarray, shocks: Shocks) -> tuple[np.ndarray, np.ndarray]:
    """High and low, in standard deviations from the open, of a continuous martingale that ends the bar at `z`.

    Where `lean` is 0 the path is Brownian; high and low each follow the law of the Brownian bridge, drawn
    independently. Where it is +1 the path is that of Azéma and Yor: its end has the same normal law, its high is
    mean(Z | Z ≥ z), the greatest that law permits, and its low is min(z, −l) with P(depth ≤ l) = l / (φ(l) + l Φ(l)),
    by the excursions from the running high: long upper wicks, short lower ones, no skew. At −1, mirrored.
    """
    bridge_high = 0.5 * (z + np.sqrt(z * z + 2.0 * shocks.upper))
    bridge_low = 0.5 * (z - np.sqrt(z * z + 2.0 * shocks.lower))
    towards = lean * z
    far = np.sqrt(2.0 / np.pi) / erfcx(towards / np.sqrt(2.0))
    near = np.minimum(towards, -np.interp(shocks.dip, _DIP_PROBABILITY, _DIP_DEPTH))
    high = np.where(lean > 0, far, np.where(lean < 0, -near, bridge_high))
    low = np.where(lean > 0, near, np.where(lean < 0, -far, bridge_low))
    return high, low


def _step_direction(tape: Tape, row: int) -> None:
    close = tape.close[row]
    up = close > tape.high[row - CHANNEL_BARS : row].max(axis=0)
    down = close < tape.low[row - CHANNEL_BARS : row].min(axis=0)
    age = tape.age[row - 1] + 1.0
    kept = np.where(age < DIRECTION_BARS, tape.direction[row - 1], 0.0)
    tape.direction[row] = np.where(up, 1.0, np.where(down, -1.0, kept))
    tape.age[row] = np.where(up | down, 0.0, age)
