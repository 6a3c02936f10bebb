"""Work that may hang, in a thread that neither its caller nor the end of the process has to wait for."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def aside(work: Callable[[], T]) -> Future[T]:
    """Begin work in a thread of its own; what it returns or raises, whenever that is."""
    answer: Future[T] = Future()

    def do() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits hears of it
            answer.set_exception(error)

    Thread(target=do, name="aside", daemon=True).start()
    return answer
