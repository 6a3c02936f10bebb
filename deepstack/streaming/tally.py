"""What a stream has met and how long its answers took."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

KEPT_LATENCIES = 10_000
"""Percentiles are those of so many last answers, so that memory stays bounded."""


T = TypeVar("T")


class Tally:
    """Counts by name, and the latencies of the last answers."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._latencies_ms: deque[float] = deque(maxlen=KEPT_LATENCIES)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a count."""
        self.counts[name] += by

    def took(self, seconds: float) -> None:
        """Note the time from a bar in hand to its answer."""
        self._latencies_ms.append(1000.0 * seconds)

    def summary(self) -> dict[str, Any]:
        """Counts, and `latency_ms` with p50, p90, p99 where something was answered."""
        counts: dict[str, Any] = dict(sorted(self.counts.items()))
        if self._latencies_ms:
            found = np.percentile(self._latencies_ms, [50, 90, 99])
            counts["latency_ms"] = dict(zip(("p50", "p90", "p99"), found.round(3).tolist(), strict=True))
        return counts

    def timed(self, work: Iterable[T]) -> Iterator[T]:
        """The same items, the time until each noted."""
        started = time.monotonic()
        for item in work:
            self.took(time.monotonic() - started)
            yield item
            started = time.monotonic()

    def line(self, what: str = "stream") -> str:
        """The summary for people."""
        counts = self.summary()
        latency = counts.pop("latency_ms", {})
        parts = [f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()]
        parts += [f"{name} {value:g} ms" for name, value in latency.items()]
        return f"{what}: " + (", ".join(parts) or "nothing came")
