"""A thread in which the paths of many clients are drawn together."""

import threading
from concurrent.futures import Future

import numpy as np

from deepstack.artifact.stepper import Stepper
from deepstack.errors import DeepstackError
from deepstack.pipeline.generation import Generation, Wish


class BusyError(DeepstackError):
    """More wait than may."""


class Generator:
    """Draws paths for whoever asks; see `Generation`.

    Args:
        stepper: the network.
        rows: paths that advance together.
        most_waiting: wishes not done yet; more are refused.
    """

    def __init__(self, stepper: Stepper, rows: int = 256, most_waiting: int = 64) -> None:
        self._generation, self._most = Generation(stepper, rows), most_waiting
        self._new = threading.Condition()
        self._asked: list[Wish] = []
        self._open: dict[int, Future[np.ndarray]] = {}
        threading.Thread(target=self._work, name="generator", daemon=True).start()

    def __call__(self, wish: Wish) -> np.ndarray:
        """Its values, when they are drawn.

        Raises:
            BusyError: too many wait.
        """
        with self._new:
            if len(self._open) >= self._most:
                raise BusyError(
                    "forecasts",
                    expected=f"fewer than {self._most} at once",
                    received=f"{len(self._open)} that wait",
                    remedy="asking again later",
                )
            answer = self._open[id(wish)] = Future()
            self._asked.append(wish)
            self._new.notify()
        return answer.result()

    def _work(self) -> None:
        while True:
            with self._new:
                self._new.wait_for(lambda: self._asked or not self._generation.is_idle)
                asked, self._asked = self._asked, []
            for wish in asked:
                self._generation.add(wish)
            try:
                for wish in self._generation.advance():
                    self._settled(wish).set_result(wish.values)
            except Exception as error:  # noqa: BLE001 - those who wait must hear of it, whatever it is
                self._generation = Generation(self._generation.stepper, self._generation.rows)
                with self._new:
                    failed, self._open = [*self._open.values()], {}
                    self._asked = []
                for answer in failed:
                    answer.set_exception(error)

    def _settled(self, wish: Wish) -> Future[np.ndarray]:
        with self._new:
            return self._open.pop(id(wish))
