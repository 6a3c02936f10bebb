"""A circuit breaker: after failures in a row the main model rests, and is tried again once after a while.

Source: Nygard 2018, Release It!, second edition, section 5.2.
"""


class Breaker:
    """Closed while the main model may be asked, open while it rests, half open for one trial.

    Args:
        limit: failures in a row that open it.
        retry_s: rest before a trial.
    """

    def __init__(self, limit: int, retry_s: float) -> None:
        self.limit, self.retry_s = limit, retry_s
        self._failures = 0
        self._opened_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the main model rests, a trial included."""
        return self._opened_s is not None

    def allows(self, now_s: float) -> bool:
        """Whether the main model may be asked now."""
        return self._opened_s is None or now_s - self._opened_s >= self.retry_s

    def succeeded(self) -> None:
        """It answered in time."""
        self._failures, self._opened_s = 0, None

    def failed(self, now_s: float) -> bool:
        """It failed or was late; whether this opened the breaker, or kept it open after a trial."""
        self._failures += 1
        if self._opened_s is None and self._failures < self.limit:
            return False
        self._opened_s = now_s
        return True
