"""A whole search: trials by an engine over processes, everything written down, and the winner run once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from deepstack.artifact.alone import alone
from deepstack.artifact.atomic import disk_errors
from deepstack.errors import DeepstackError
from deepstack.evaluation.ledger import LEDGER, Ledger, Made, Trial
from deepstack.evaluation.returns import DailyReturns
from deepstack.pipeline.market import Source, load_source
from deepstack.progress import Progress, no_progress
from deepstack.tuning.outcome import Outcome, read_outcomes, write_outcome
from deepstack.tuning.space import require_space
from deepstack.tuning.study import Study
from deepstack.tuning.workers import Workers, started

BETWEEN_LOOKS_S = 0.3
FAILED_IN_A_ROW = 10
"""After so many the space or the machine is at fault, and more trials would find nothing else."""

Told = Callable[[Outcome, Outcome | None], None]
"""(a trial that has ended, the best so far)"""


class Chief(Protocol):
    """What gives out trials."""

    address: str

    def end(self, worker: str, reason: str, finished: dict[str, Outcome]) -> Outcome | None: ...

    def stop(self) -> None: ...

    def dismiss(self) -> None: ...

    @property
    def busy(self) -> bool: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Hands:
    """Who runs the trials.

    Attributes:
        workers: processes of this machine.
        listen: host:port at which workers of other machines ask too; Keras Tuner's engines alone.
        minutes: after which no trial is begun.
        ledger: folder of the ledger.
    """

    workers: int = 1
    listen: str = "127.0.0.1:0"
    minutes: float = float("inf")
    ledger: Path = Path("artifacts")


HERE = Hands()


def search(
    study: Study, hands: Hands = HERE, *, told: Told | None = None, progress: Progress = no_progress
) -> list[Outcome]:
    """Run the trials that are missing.

    Every trial is trained and judged on the folds of `tuning.folds`, all before the test slice, and goes into the
    ledger. A trial that fails is an outcome like any other. What is done stays in the folder: a search that was broken
    off goes on, and only trials that were running begin again.

    Args:
        study: what is searched.
        hands: who runs the trials.
        told: of every trial as it ends.
        progress: told of all long work.

    Returns:
        All outcomes, by number.

    Raises:
        ConfigError: a space no model can be built with.
        ArtifactError: another search holds the folder.
        DeepstackError: ten trials in a row failed.
    """
    return run_trials(study, opened(study, progress), hands, told=told, progress=progress)


def opened(study: Study, progress: Progress = no_progress) -> Source:
    """The candles of a search whose options and space have been found good.

    Raises:
        ConfigError: a space no model can be built with, or options that do not go together.
    """
    study.require()
    require_space(study.config)
    return load_source(study.config, progress)


def run_trials(
    study: Study, source: Source, hands: Hands, *, told: Told | None = None, progress: Progress = no_progress
) -> list[Outcome]:
    """`search` with candles the caller holds."""
    ledger = Ledger(hands.ledger / LEDGER)
    ledger.trials()  # one that cannot be read is told before any work
    with disk_errors(study.folder), alone(study.folder, "a search"):
        study.record(source.facts["fingerprint"])
        watch = _Watch(study, ledger, source, told)
        if len(watch.look()) < study.trials:
            _run(study, hands, watch, progress)
        return watch.look()


def _run(study: Study, hands: Hands, watch: "_Watch", progress: Progress) -> None:
    chief = _chief(study, hands.listen)
    deadline = time.monotonic() + 60.0 * hands.minutes

    def late() -> bool:
        return time.monotonic() > deadline

    try:
        with started(study, chief.address, hands.workers) as workers:
            # Without workers of its own the chief waits for those of other machines.
            while workers.alive or chief.busy or (not hands.workers and _missing(study, watch) and not late()):
                time.sleep(BETWEEN_LOOKS_S)
                outcomes = _looked_after(workers, chief, study, watch)
                progress("trials", len(outcomes), study.trials, "")
                if late():
                    chief.stop()
                if _nothing_succeeds(outcomes):
                    break
            chief.dismiss()
        _require_some_success(watch.look())
    finally:
        chief.close()


def _looked_after(workers: Workers, chief: Chief, study: Study, watch: "_Watch") -> list[Outcome]:
    """The outcomes, after those that died have been seen to."""
    for name, how in workers.died():
        finished = {one.trial: one for one in watch.look()}
        lost = chief.end(name, how, finished)
        if lost is not None:
            write_outcome(study.folder / "trials", lost)
    return watch.look()


def _missing(study: Study, watch: "_Watch") -> bool:
    return len(watch.look()) < study.trials


def _chief(study: Study, listen: str) -> Chief:
    if study.engine == "optuna":
        from deepstack.tuning.optuna_engine import OptunaChief

        return OptunaChief(study)
    from deepstack.tuning.keras_chief import KerasChief

    return KerasChief(study, listen)


@dataclass(eq=False)
class _Watch:
    """Sees every outcome once: tells of it and counts it in the ledger."""

    study: Study
    ledger: Ledger
    source: Source
    told: Told | None

    def __post_init__(self) -> None:
        self.seen = {one.trial: one for one in read_outcomes(self.study.folder / "trials")}
        for outcome in self.seen.values():  # a kill may have come between an outcome and its line in the ledger
            self._count(outcome)

    def look(self) -> list[Outcome]:
        folder = self.study.folder / "trials"
        new = [path.stem for path in sorted(folder.glob("[0-9]*.json")) if path.stem not in self.seen]
        for trial in new:
            (outcome,) = (one for one in read_outcomes(folder) if one.trial == trial)
            self.seen[trial] = outcome
            self._count(outcome)
            if self.told is not None:
                self.told(outcome, best_of(list(self.seen.values()), self.study))
        return [self.seen[trial] for trial in sorted(self.seen)]

    def _count(self, outcome: Outcome) -> None:
        """Into the ledger, as tried for all the time the candles cover: the winner is chosen among all."""
        until, symbols = self.source.facts["last"], tuple(self.source.market)
        made = Made(max(1, outcome.trainings, len(outcome.folds)), len(outcome.folds), outcome.ensembles)
        self.ledger.append(
            [
                Trial("tuning", self._name(outcome, output), self.study.folder.name, symbols, daily, made, until)
                for output, daily in (outcome.daily() or self._nothing()).items()
            ]
        )

    def _name(self, outcome: Outcome, output: str) -> str:
        search = f" of {self.study.folder.name}" if outcome.state == "failed" else ""
        return f"{self.study.config.model.name} {outcome.trial} {output}{search}"

    def _nothing(self) -> dict[str, DailyReturns]:
        """What a failed trial earned: no strategy came of it, but it was tried."""
        first = pd.Timestamp(self.source.facts["first"]).normalize()
        return {"failed": DailyReturns(pd.date_range(first, periods=1, freq="D"), np.zeros(1))}


def best_of(outcomes: Sequence[Outcome], study: Study) -> Outcome | None:
    """The finished trial with the best score; of equal ones the earlier."""
    finished = [one for one in outcomes if one.state == "complete" and one.score is not None]
    sign = 1.0 if study.larger_is_better else -1.0
    return max(finished, key=lambda one: sign * (one.score or 0.0), default=None)


def front_of(outcomes: Sequence[Outcome], study: Study) -> list[Outcome]:
    """The trials that no other beats in both score and what it is held against, best score first."""
    sign = 1.0 if study.larger_is_better else -1.0
    finished = [one for one in outcomes if one.state == "complete" and one.score is not None]

    def cost(one: Outcome) -> float:
        return float(one.latency_ms or 0.0) if study.against == "latency" else float(one.parameters)

    front: list[Outcome] = []
    for one in sorted(finished, key=lambda one: (-sign * (one.score or 0.0), cost(one))):
        if not front or cost(one) < cost(front[-1]):
            front.append(one)
    return front


def _nothing_succeeds(outcomes: Sequence[Outcome]) -> bool:
    last = outcomes[-FAILED_IN_A_ROW:]
    return len(last) == FAILED_IN_A_ROW and all(one.state == "failed" for one in last)


def _require_some_success(outcomes: Sequence[Outcome]) -> None:
    if _nothing_succeeds(outcomes):
        raise DeepstackError(
            "trials",
            expected="some that can be trained",
            received=f"{FAILED_IN_A_ROW} in a row that failed, the last: {outcomes[-1].reason}",
            remedy="a smaller space, or looking into workers/*.log",
        )
