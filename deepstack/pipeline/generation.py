"""Sampling the bars to come for many at once: paths join a running batch as soon as there is room, and leave when done.

Continuous batching, as Yu et al. 2022, "Orca: A distributed serving system for transformer-based generative models",
do it for text: a short request never waits for a long one that came before.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from deepstack.artifact.stepper import Kept, Stepper

LEAST, MOST = -8.0, 8.0
"""Of a foreseen log-variance, as in training."""


@dataclass(eq=False)
class Wish:
    """Paths that somebody asks for.

    Args:
        window: scaled, float32 [bars known, features].
        values: standard normal, float32 [bars to come, paths, features], drawn beforehand so that no path depends on
            what else is in the batch; in their place stand the scaled features of those bars once `is_done`.
    """

    window: np.ndarray
    values: np.ndarray
    begun: int = 0
    ended: int = 0

    @property
    def paths(self) -> int:
        """How many."""
        return int(self.values.shape[1])

    @property
    def is_done(self) -> bool:
        """Whether every path has all its bars."""
        return self.ended == self.paths


@dataclass(frozen=True, eq=False)
class _Path:
    wish: Wish
    number: int


class Generation:
    """A batch of a fixed number of rows, a path each.

    Args:
        stepper: the network.
        rows: of the batch.
        most_each: rows that one wish may hold at a time; all by default.
    """

    def __init__(self, stepper: Stepper, rows: int, most_each: int | None = None) -> None:
        self.stepper, self.rows, self.most_each = stepper, rows, most_each or rows
        self._waiting: deque[Wish] = deque()
        self._paths: list[_Path | None] = [None] * rows
        self._bar = np.zeros(rows, np.int64)
        self._foreseen: np.ndarray | None = None
        self._kept: Kept | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self._waiting and not any(self._paths)

    def add(self, wish: Wish) -> None:
        """Let it join when there is room."""
        self._waiting.append(wish)

    def advance(self) -> list[Wish]:
        """Let in who waits, draw a bar for every path, read it; those that are done now."""
        for wish in list(self._waiting):
            free = [row for row, path in enumerate(self._paths) if path is None]
            free = free[: min(self.most_each - (wish.begun - wish.ended), wish.paths - wish.begun)]
            if free:
                self._let_in(wish, free)
            if wish.begun == wish.paths:
                self._waiting.remove(wish)
        if self._foreseen is None or self._kept is None:
            return []
        mean, log_variance = np.split(self._foreseen, 2, axis=-1)
        deviation = np.exp(0.5 * np.clip(log_variance, LEAST, MOST))
        drawn, done = np.zeros_like(mean), []
        for row, path in enumerate(self._paths):
            if path is None:
                continue
            place = path.wish.values[self._bar[row], path.number]
            place[:] = drawn[row] = mean[row] + deviation[row] * place
            self._bar[row] += 1
            if self._bar[row] == len(path.wish.values):
                self._paths[row] = None
                path.wish.ended += 1
                done += [path.wish] if path.wish.is_done else []
        if any(self._paths):
            said = self.stepper.step(self._kept, drawn)
            self._foreseen, self._kept = said.foreseen, said.kept
        return done

    def _let_in(self, wish: Wish, free: list[int]) -> None:
        """A path of it into each of these rows; its window is read once for them."""
        numbers = range(wish.begun, wish.begun + len(free))
        said = self.stepper.read(wish.window[None])
        if self._foreseen is None or self._kept is None:
            self._foreseen = np.repeat(said.foreseen, self.rows, axis=0)
            self._kept = Kept(tf.repeat(said.kept.memory, self.rows, axis=0), tf.repeat(said.kept.bars, self.rows))
        for row, number in zip(free, numbers, strict=True):
            self._paths[row], self._bar[row] = _Path(wish, number), 0
        self._foreseen = self._foreseen.copy()  # TensorFlow's own memory
        self._foreseen[free] = said.foreseen
        where = tf.constant(free)[:, None]
        memory, bars = (tf.repeat(one, len(free), axis=0) for one in (said.kept.memory, said.kept.bars))
        self._kept = Kept(
            tf.tensor_scatter_nd_update(self._kept.memory, where, memory),
            tf.tensor_scatter_nd_update(self._kept.bars, where, bars),
        )
        wish.begun += len(numbers)


def generated(stepper: Stepper, wish: Wish, most_rows: int = 1024) -> np.ndarray:
    """The values of one wish, alone in its batch."""
    generation = Generation(stepper, min(wish.paths, most_rows))
    generation.add(wish)
    while not generation.is_idle:
        generation.advance()
    return wish.values
