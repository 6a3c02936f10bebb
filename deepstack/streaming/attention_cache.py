"""Keys and values of a transformer's last bars, a symbol each, so that a new bar is one step and not a window."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cachetools import TTLCache

from deepstack.artifact.stepper import AttentionStepper, Said

SAME = 2e-5
"""Scaled features of a bar that is the same: trailing windows that begin elsewhere differ by rounding."""


@dataclass(frozen=True, eq=False)
class _Last:
    moment_ms: int
    rows: np.ndarray
    said: Said


class AttentionCache:
    """What a network that `steps_alone` answers at the newest bar of a window.

    What is kept is used where the window shows the same bars again and a few more; else the window is read anew: after
    a gap, a revised bar, a restart, or when nothing is kept any more.

    Args:
        stepper: the network.
        size: symbols kept at most; the one not asked for longest goes first.
        ttl_s: seconds that a symbol is kept after its last bar.
        step_ms: bar interval.
        count: told with every answer whether it came from what was `attention_kept` or from a window, `attention_read`.
    """

    def __init__(
        self, stepper: AttentionStepper, size: int, ttl_s: float, step_ms: int, count: Callable[[str], None]
    ) -> None:
        self.stepper, self.step_ms, self._count = stepper, step_ms, count
        self._kept: TTLCache[str, _Last] = TTLCache(size, ttl_s)

    def answer(self, symbol: str, moment_ms: int, window: np.ndarray) -> np.ndarray:
        """The network's own outputs at the newest bar, float32 [1, …].

        Args:
            symbol: whose bars.
            moment_ms: close of the newest.
            window: scaled, float32 [bars, features].
        """
        seen = window[-self.stepper.bars_seen :]
        last = self._kept.get(symbol)
        new = 0 if last is None else self._new_bars(last, moment_ms, seen)
        if last is not None and new:
            said = last.said
            for row in seen[-new:]:
                said = self.stepper.step(said.kept, row[None])
            # The rows that keys and values were made of: small differences must not add up unseen.
            seen = np.concatenate([last.rows[new:], seen[-new:]])
            self._count("attention_kept")
        else:
            said = self.stepper.read(window[None])
            self._count("attention_read")
        self._kept[symbol] = _Last(moment_ms, seen.copy(), said)
        return said.outputs

    def _new_bars(self, last: _Last, moment_ms: int, seen: np.ndarray) -> int:
        """Bars since the last answer, where all before them are as they were; else 0."""
        new = (moment_ms - last.moment_ms) // self.step_ms
        if not 0 < new < len(seen) or np.abs(last.rows[new:] - seen[:-new]).max() > SAME:
            return 0
        return new
