"""Jobs over the cores, in processes forked from this one: they know whatever it knows, features of one's own too."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from deepstack.errors import DeepstackError

Job = TypeVar("Job")
Result = TypeVar("Result")

_held: list[Callable[[Any], Any]] = []


def side_by_side(function: Callable[[Job], Result], jobs: Sequence[Job], *, worth_it: bool) -> Iterator[Result]:
    """Results in the order of the jobs.

    Args:
        function: need not be picklable; it must not touch TensorFlow, whose threads are not forked.
        jobs: picklable, as are the results.
        worth_it: whether the work is longer than starting processes takes.

    Raises:
        DeepstackError: a process died, for want of memory most likely.
    """
    workers = min(os.cpu_count() or 1, len(jobs))
    if not worth_it or workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_hold, initargs=(function, os.getpid()))
    finished = False
    try:
        yield from pool.map(_call, jobs)
        finished = True
    except BrokenProcessPool as error:
        raise DeepstackError(
            "audit",
            expected=f"{workers} processes to the end",
            received="one that died",
            remedy="more memory, or a smaller --rows",
        ) from error
    finally:
        if not finished:  # nobody waits for what is under way
            for process in (pool._processes or {}).values():
                process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def _hold(function: Callable[[Any], Any], parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches the whole group; who asked ends the others
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _held[:] = [function]


def _end_with(parent: int) -> None:
    """A parent that is killed cannot end its children."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _call(job: Any) -> Any:
    return _held[0](job)
