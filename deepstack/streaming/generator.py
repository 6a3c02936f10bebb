"""A thread in which the paths of many clients are drawn together."""

import threading
from concurrent.futures import Future

import numpy as np

from deepstack.artifact.stepper import Stepper
from deepstack.errors import DeepstackError
from deepstack.pipeline.generation import Generation, Wish
from deepstack.streaming.places import Places


class DrawingError(DeepstackError):
    """The paths could not be drawn, by no fault of who asked."""


class Generator:
    """Draws paths for whoever asks; see `Generation`.

    Args:
        stepper: the network.
        rows: paths that advance together; one wish holds a quarter of them at most.
        places: wishes at a time; more are refused.

    Attributes:
        places: to be taken before a wish is made.
    """

    def __init__(self, stepper: Stepper, rows: int = 256, places: int = 64) -> None:
        self._stepper, self._rows = stepper, rows
        self.places = Places("forecasts", places)
        self._generation = self._new_generation()
        self._new = threading.Condition()
        self._asked: list[Wish] = []
        self._open: dict[int, Future[np.ndarray]] = {}
        threading.Thread(target=self._work, name="generator", daemon=True).start()

    def __call__(self, wish: Wish) -> np.ndarray:
        """Its values, when they are drawn.

        Raises:
            DrawingError: the network failed.
        """
        with self._new:
            answer = self._open[id(wish)] = Future()
            self._asked.append(wish)
            self._new.notify()
        return answer.result()

    def _new_generation(self) -> Generation:
        return Generation(self._stepper, self._rows, max(1, self._rows // 4))

    def _work(self) -> None:
        while True:
            with self._new:
                self._new.wait_for(lambda: self._asked or not self._generation.is_idle)
                asked, self._asked = self._asked, []
            for wish in asked:
                self._generation.add(wish)
            try:
                done = self._generation.advance()
            except Exception as error:  # noqa: BLE001 - those who wait must hear of it, whatever it is
                self._fail(f"{type(error).__name__}: {error}")
                continue
            with self._new:
                answers = [(self._open.pop(id(wish)), wish) for wish in done]
            for answer, wish in answers:
                answer.set_result(wish.values)

    def _fail(self, reason: str) -> None:
        """Tell all that were in the batch, each by an error of its own; those who came later begin anew."""
        with self._new:
            later = {id(wish) for wish in self._asked}
            failed = [self._open.pop(key) for key in list(self._open) if key not in later]
        self._generation = self._new_generation()
        for answer in failed:
            answer.set_exception(
                DrawingError("forecast", expected="paths", received=reason[:200], remedy="asking again, or the log")
            )
