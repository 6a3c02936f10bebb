"""Optuna as the second engine: TPE and a median pruner, one score or two, over a storage that processes share."""

import socket
import warnings
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from deepstack.config.space import Parameter
from deepstack.errors import ConfigError
from deepstack.tuning.examine import Examiner
from deepstack.tuning.outcome import Outcome, read_outcomes, write_outcome
from deepstack.tuning.space import labels
from deepstack.tuning.study import Study
from deepstack.tuning.workers import rest_if_tired

STOP = "stop"
WORKER = "worker"
STARTUP_TRIALS = 8
"""Drawn at random before the estimator and the pruner begin."""


def distribution(parameter: Parameter) -> BaseDistribution:
    """A parameter as optuna has it."""
    if parameter.kind == "choice":
        return CategoricalDistribution(labels(parameter))
    if parameter.kind == "int":
        step = int(parameter.step or 1)
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log, step=step)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def direction_of(study: Study) -> StudyDirection:
    """Of the score."""
    return StudyDirection.MAXIMIZE if study.larger_is_better else StudyDirection.MINIMIZE


def open_study(study: Study, draw: int = 0) -> optuna.Study:
    """The search in its storage, made where it is new.

    Args:
        draw: another for every process, or all would draw alike.

    Raises:
        ConfigError: a storage that cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first, second = direction_of(study), StudyDirection.MINIMIZE
    directions = [first] if study.against == "none" else [first, second]
    try:
        return optuna.create_study(
            storage=study.url,
            study_name=study.config.name,
            directions=directions,
            sampler=_sampler(study.config.seed + draw),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
            load_if_exists=True,
        )
    except (SQLAlchemyError, OptunaError, ImportError, ValueError) as error:
        raise ConfigError(
            "--storage", expected="a database optuna can open", received=str(error).splitlines()[0], remedy="its URL"
        ) from error


def _sampler(seed: int) -> optuna.samplers.TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed
        )


def _tag(folder: Path, worker: str) -> str:
    """A worker's name among all machines that share the storage."""
    return f"{socket.gethostname()} {folder.absolute()} {worker}"


class OptunaChief:
    """Ends what died workers have left; the storage itself gives out the trials."""

    address = ""

    def __init__(self, study: Study) -> None:
        self.known = open_study(study)
        self.study, self.folder = study, study.folder
        (self.folder / STOP).unlink(missing_ok=True)
        # Nobody else holds the folder, so whatever of it is running was left by a search that was killed.
        finished = {one.trial: one for one in read_outcomes(self.folder / "trials")}
        left = {str(t.user_attrs.get(WORKER, "")) for t in self._running()}
        for worker in left:
            if worker.startswith(_tag(self.folder, "")):
                lost = self.end(worker.removeprefix(_tag(self.folder, "")), "the search was broken off", finished)
                if lost is not None:
                    write_outcome(self.folder / "trials", lost)

    def _running(self) -> list[optuna.trial.FrozenTrial]:
        return self.known.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def end(self, worker: str, reason: str, finished: dict[str, Outcome]) -> Outcome | None:
        """End the trial of a worker that has died; see `KerasChief.end`."""
        for trial in self._running():
            if trial.user_attrs.get(WORKER) != _tag(self.folder, worker):
                continue
            done = finished.get(f"{trial.number:04d}")
            if done is not None:
                _tell(self.known, trial.number, done, self.study)
                continue
            self.known.tell(trial.number, state=TrialState.FAIL)
            return Outcome(f"{trial.number:04d}", "failed", dict(trial.params), reason=reason, worker=worker)
        return None

    def stop(self) -> None:
        """Give out no further trial."""
        (self.folder / STOP).touch()

    def dismiss(self) -> None:
        """Nobody waits for it: the storage tells that there are no more trials."""

    @property
    def busy(self) -> bool:
        """Its workers are all of this machine."""
        return False

    def close(self) -> None:
        """Nothing to leave."""


def work(study: Study, examiner: Examiner, name: str) -> None:
    """Run trials until there are as many as asked for, those of other processes counted in."""
    number = int("".join(filter(str.isdigit, name)) or 0)
    begun = len(list((study.folder / "trials").glob("[0-9]*.json")))
    known, parameters = open_study(study, 1000 * begun + number), study.config.tuning.parameters
    while not (study.folder / STOP).exists():
        rest_if_tired()
        with FileLock(study.folder / ".ask.lock"):
            if len(known.get_trials(deepcopy=False)) >= study.trials:
                return
            trial = known.ask()
            trial.set_user_attr(WORKER, _tag(study.folder, name))
        values = _suggested(trial, parameters)

        def hopeless(fold: int, score: float, trial: optuna.Trial = trial) -> bool:
            if study.against != "none":
                return False  # optuna prunes by one score alone
            trial.report(score, fold)
            return bool(trial.should_prune())

        outcome = examiner.examine(f"{trial.number:04d}", values, report=hopeless)
        _tell(known, trial.number, outcome, study)


def _suggested(trial: optuna.Trial, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for parameter in parameters:
        if not parameter.active(chosen):
            continue
        key, kind = parameter.key, distribution(parameter)
        match kind:
            case CategoricalDistribution():
                values[key] = trial.suggest_categorical(key, kind.choices)
                chosen[key] = parameter.choices[list(kind.choices).index(values[key])]
            case IntDistribution():
                values[key] = trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log)
            case FloatDistribution():
                values[key] = trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log)
    return values


def _tell(known: optuna.Study, trial: int, outcome: Outcome, study: Study) -> None:
    if outcome.state == "pruned":
        known.tell(trial, state=TrialState.PRUNED)
    elif outcome.score is None:
        known.tell(trial, state=TrialState.FAIL)
    else:
        known.tell(trial, scores_of(outcome, study))


def scores_of(outcome: Outcome, study: Study) -> list[float]:
    """One score, or two."""
    assert outcome.score is not None
    second = {"none": None, "latency": outcome.latency_ms, "size": float(outcome.parameters)}[study.against]
    return [outcome.score] if second is None else [outcome.score, second]
