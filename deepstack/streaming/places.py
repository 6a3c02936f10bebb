"""Places for a number of requests at a time; whoever finds none is refused at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from deepstack.errors import DeepstackError


class BusyError(DeepstackError):
    """More wait than may."""


class Places:
    """A number of them.

    Args:
        what: they are for.
        number: of them.
    """

    def __init__(self, what: str, number: int) -> None:
        self.what, self.number = what, number
        self._taken, self._lock = 0, Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """One of them for the length of the block, taken before any work.

        Raises:
            BusyError: none is free.
        """
        with self._lock:
            if self._taken == self.number:
                raise BusyError(
                    self.what, expected=f"{self.number} at a time", received="one more", remedy="asking again later"
                )
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1
