"""Learnability tasks: windows whose rule is known, and with it the best accuracy anybody can reach."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepstack.models.inputs import BASE, WHEN, input_of

BARS, FEATURES = 96, 4
COARSE = "5min"
LAG = 80
NOISY = 0.04
"""Share of the labels that are turned at random: nobody can be right more often than the rest."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples of a task.

    Attributes:
        inputs: name → [samples, …].
        won: bool [samples].
        end_s: int32 [samples], when each label was known, seconds since 2000-01-01.
    """

    inputs: dict[str, np.ndarray]
    won: np.ndarray
    end_s: np.ndarray


@dataclass(frozen=True)
class Task:
    """A rule.

    Attributes:
        summary: what must be found.
        draw: (samples, generator) → samples in time order.
        attainable: best accuracy, with the rule known.
    """

    summary: str
    draw: Callable[[int, np.random.Generator], Drawn]
    attainable: float


def _drawn(x: np.ndarray, won: np.ndarray, random: np.random.Generator, **more: np.ndarray) -> Drawn:
    won = won ^ (random.random(len(won)) < NOISY)
    decision = np.arange(len(won), dtype=np.int32) * 60
    coarse = more.get("coarse", random.standard_normal((len(won), BARS, FEATURES)))
    inputs = {
        BASE: x.astype(np.float32),
        input_of(COARSE): coarse.astype(np.float32),
        WHEN: decision[:, None],
    }
    return Drawn(inputs, won, decision + 30)


def motif(samples: int, random: np.random.Generator) -> Drawn:
    """One of two shapes, each other's mirror image in time, at a random place in noise."""
    x = random.standard_normal((samples, BARS, FEATURES))
    shape = 3.0 * np.concatenate([np.linspace(0.2, 1.0, 8), [-1.0, -0.5]])
    won = random.random(samples) < 0.5
    place = random.integers(0, BARS - len(shape), samples)
    at = place[:, None] + np.arange(len(shape))
    x[np.arange(samples)[:, None], at, 0] = np.where(won[:, None], shape, shape[::-1]) + 0.3 * random.standard_normal(
        (samples, len(shape))
    )
    return _drawn(x, won, random)


def long_lag(samples: int, random: np.random.Generator) -> Drawn:
    """Whether a mark LAG bars ago had the sign of the mark on the newest bar."""
    x = 0.3 * random.standard_normal((samples, BARS, FEATURES))
    marks = random.choice([-2.0, 2.0], (samples, 2))
    x[:, -1 - LAG, 1], x[:, -1, 1] = marks.T
    return _drawn(x, marks[:, 0] == marks[:, 1], random)


def cross_timeframe(samples: int, random: np.random.Generator) -> Drawn:
    """Whether the newest stretch of the fine timeframe goes the way of the coarse one."""
    x = random.standard_normal((samples, BARS, FEATURES))
    coarse = random.standard_normal((samples, BARS, FEATURES))
    ways = random.choice([-1.0, 1.0], (samples, 2))
    x[:, -10:, 0] += 1.5 * ways[:, :1]
    coarse[:, -10:, 0] += 1.5 * ways[:, 1:]
    return _drawn(x, ways[:, 0] == ways[:, 1], random, coarse=coarse)


def episode(samples: int, random: np.random.Generator) -> Drawn:
    """One of 400 windows seen before, with noise; each has an outcome that only its own past tells."""
    # The windows and their outcomes are the same in every slice: that is what there is to remember.
    fixed = np.random.default_rng(5)
    windows, outcome = fixed.standard_normal((400, BARS, FEATURES)), fixed.random(400) < 0.5
    which = random.integers(0, 400, samples)
    x = windows[which] + 0.5 * random.standard_normal((samples, BARS, FEATURES))
    return _drawn(x, outcome[which], random)


TASKS = {
    "motif": Task("a planted shape at a random place", motif, 1.0 - NOISY),
    "long_lag": Task(f"a dependency over {LAG} bars", long_lag, 1.0 - NOISY),
    "cross_timeframe": Task("a rule across timeframes", cross_timeframe, 1.0 - NOISY),
    "episode": Task("an episode seen before", episode, 1.0 - NOISY),
}
