"""The simulated bar against the theory of its path, and the planted drift against the candles it claims to read."""

import numpy as np
import pytest
from scipy.special import ndtr

from deepstack.candles import simulator
from deepstack.candles.simulator import MEMORY_BARS, Tape, draw, planted_drift, signal, step
from deepstack.candles.synthetic import WARM_UP_BARS, simulate
from deepstack.config.data import SyntheticConfig

SAMPLES = 400_000


@pytest.fixture(scope="module")
def tape() -> Tape:
    return simulate(SyntheticConfig(symbols=3, bars=1500, edge=1.0), seed=5)


@pytest.mark.parametrize("lean", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("barrier", [0.25, 1.0, 2.0])
def test_stopping_the_path_at_a_barrier_keeps_its_mean(lean: float, barrier: float) -> None:
    # Optional stopping: only the exact joint law of each extreme with the end passes.
    shocks = draw(np.random.default_rng(1), 1, SAMPLES).bar(0)
    high, low = simulator._shape(shocks.path, np.full(SAMPLES, lean), shocks)
    for stopped in (np.where(high >= barrier, barrier, shocks.path), np.where(low <= -barrier, -barrier, shocks.path)):
        assert abs(stopped.mean()) < 4.0 * stopped.std() / np.sqrt(SAMPLES)


def test_brownian_high_follows_the_reflection_principle() -> None:
    shocks = draw(np.random.default_rng(2), 1, SAMPLES).bar(0)
    high, low = simulator._shape(shocks.path, np.zeros(SAMPLES), shocks)
    for level in (0.5, 1.0, 2.0):
        expected = 2.0 * ndtr(-level)
        tolerance = 4.0 * np.sqrt(expected * (1 - expected) / SAMPLES)
        assert abs((high >= level).mean() - expected) < tolerance
        assert abs((low <= -level).mean() - expected) < tolerance


def test_leaning_paths_have_longer_wicks_on_their_side_and_mirror_each_other() -> None:
    shocks = draw(np.random.default_rng(3), 1, SAMPLES).bar(0)
    up_high, up_low = simulator._shape(shocks.path, np.ones(SAMPLES), shocks)
    mirrored = shocks._replace(path=-shocks.path)
    down_high, down_low = simulator._shape(mirrored.path, -np.ones(SAMPLES), mirrored)
    np.testing.assert_allclose(up_high, -down_low, rtol=1e-12)
    np.testing.assert_allclose(up_low, -down_high, rtol=1e-12)
    assert up_high.mean() > 1.3 * -up_low.mean()


def test_planted_drift_reads_only_candles_of_its_memory(tape: Tape) -> None:
    row = 700
    noise = np.random.default_rng(4)
    blurred = {}
    for name, series in vars(tape).items():
        copy = series.copy()
        copy[row + 1 :] = noise.random(copy[row + 1 :].shape)
        copy[: row + 1 - MEMORY_BARS] = noise.random(copy[: row + 1 - MEMORY_BARS].shape)
        if name in ("variance", "regime", "activity", "asymmetry"):
            copy[:] = noise.random(copy.shape)
        blurred[name] = copy
    np.testing.assert_array_equal(planted_drift(tape, row), planted_drift(Tape(**blurred), row))


def test_signal_is_that_of_the_published_candles(tape: Tape) -> None:
    row = 900
    tape = Tape(**{name: series[MEMORY_BARS:] for name, series in vars(tape).items()})  # less the still bars
    body_top, body_bottom = np.maximum(tape.open, tape.close), np.minimum(tape.open, tape.close)
    wick = ((tape.high - body_top) - (body_bottom - tape.low)) / (tape.high - tape.low)
    relative_volume, asymmetry = signal(tape, row)
    fast, slow = tape.volume[row - 9 : row + 1].mean(axis=0), tape.volume[row - 99 : row + 1].mean(axis=0)
    np.testing.assert_allclose(relative_volume, np.log(fast / slow), rtol=1e-10)
    np.testing.assert_allclose(asymmetry, wick[row - 19 : row + 1].mean(axis=0), atol=1e-9)


def test_direction_is_the_side_of_the_last_channel_break(tape: Tape) -> None:
    for row in range(WARM_UP_BARS, WARM_UP_BARS + 1200):
        for column in range(3):
            expected = 0.0
            for back in range(simulator.DIRECTION_BARS):
                close = tape.close[row - back, column]
                if close > tape.high[row - back - 20 : row - back, column].max():
                    expected = 1.0
                elif close < tape.low[row - back - 20 : row - back, column].min():
                    expected = -1.0
                if expected:
                    break
            assert tape.direction[row, column] == expected


def test_branched_future_with_the_same_shocks_is_the_original(tape: Tape) -> None:
    row, horizon = 800, 24
    shocks = draw(np.random.default_rng(6), horizon, 3)
    onwards = Tape(**{name: series.copy() for name, series in vars(tape).items()})
    branched = tape.branch(np.full(3, row), np.arange(3), 1, horizon)
    for k in range(horizon):
        step(onwards, row + 1 + k, shocks.bar(k), edge=1.0)
        step(branched, MEMORY_BARS + k, shocks.bar(k), edge=1.0)
    for name in ("open", "high", "low", "close", "volume", "direction", "variance"):
        expected = getattr(onwards, name)[row + 1 : row + 1 + horizon]
        np.testing.assert_allclose(getattr(branched, name)[MEMORY_BARS:], expected, rtol=1e-9, err_msg=name)
