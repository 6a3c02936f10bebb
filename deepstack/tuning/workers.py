"""The processes of a search on this machine: started, watched, and replaced when they die."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from deepstack.tuning.study import Study

TIRED = 75
"""Exit code of a worker that wants to be replaced between two trials."""
MOST_MAPS = 40_000
"""Memory maps from which it does: every compiled program leaves some, and Linux gives a process 65,530."""
SPAWN = multiprocessing.get_context("spawn")


@dataclass(eq=False)
class Workers:
    """Processes that run trials.

    Attributes:
        study: their search.
        address: of the chief; empty where the storage gives out trials.
        count: at a time.
    """

    study: Study
    address: str
    count: int
    _running: dict[str, BaseProcess] = field(default_factory=dict)

    def start(self) -> None:
        """Start all of them."""
        for number in range(self.count):
            self._start(f"tuner{number}")

    def died(self) -> Iterator[tuple[str, str]]:
        """(name, how) of those that have died since the last call, each replaced after the caller has dealt with it."""
        for name, process in list(self._running.items()):
            if process.exitcode is None:
                continue
            del self._running[name]
            if process.exitcode == TIRED:
                self._start(name)
            elif process.exitcode:
                yield name, _how(process.exitcode, self._log(name))
                self._start(name)

    @property
    def alive(self) -> bool:
        """Whether any is left; those that found no more trials have ended."""
        return bool(self._running)

    def end(self) -> None:
        """Kill what is left."""
        for process in self._running.values():
            process.kill()
            process.join()

    def _start(self, name: str) -> None:
        # More threads than cores take longer than fewer.
        threads = str(max(1, (os.cpu_count() or 1) // self.count))
        process = SPAWN.Process(
            target=_run, args=(self.study, self.address, name, self._log(name), threads), name=name, daemon=True
        )
        process.start()
        self._running[name] = process

    def _log(self, name: str) -> Path:
        return self.study.folder / "workers" / f"{name}.log"


@contextmanager
def started(study: Study, address: str, count: int) -> Iterator[Workers]:
    """Workers that do not outlive the block."""
    workers = Workers(study, address, count)
    workers.start()
    try:
        yield workers
    finally:
        workers.end()


def work(study: Study, address: str, name: str) -> None:
    """Run trials in this process until none are left."""
    from deepstack.pipeline.market import load_source
    from deepstack.tuning.examine import Examiner

    source, latency = load_source(study.config), study.against == "latency"
    examiner = Examiner(study.config, source, study.folder, study.keeps_weights, latency, name)
    if study.engine == "optuna":
        from deepstack.tuning.optuna_engine import work as work_optuna

        work_optuna(study, examiner, name)
    else:
        from deepstack.tuning.keras_worker import work as work_keras

        work_keras(study, examiner, address, name)


def rest_if_tired() -> None:
    """End this process, between trials, when compiled programs have used up most of its memory maps."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        os._exit(TIRED)


def _run(study: Study, address: str, name: str, log: Path, threads: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the search ends its workers itself
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, threads)
    work(study, address, name)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _how(code: int, log: Path) -> str:
    if code < 0:
        more = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
        return f"its process was killed by {signal.Signals(-code).name}{more}"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"its process ended with exit code {code}: {lines[-1][:300] if lines else 'no word'}"
