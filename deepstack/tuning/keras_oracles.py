"""Keras Tuner's oracles, made to survive a kill, and the space as they take it."""

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import trial as trials
from keras_tuner.oracles import (
    BayesianOptimizationOracle,
    GridSearchOracle,
    HyperbandOracle,
    RandomSearchOracle,
)
from keras_tuner.src.engine import conditions
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from deepstack.artifact.atomic import write_atomic
from deepstack.config.space import Parameter
from deepstack.tuning.space import labels
from deepstack.tuning.study import Study

conditions.print = lambda *_: None  # it prints the value of every condition it sends
OBJECTIVE = "score"
WIDE, NEAR = 4096, 1024
"""Points at which the confidence bound is taken: anywhere, and around the best so far."""
NEVER = 1_000_000
"""Failures in a row after which Keras Tuner itself gives up: the search decides that."""


class _Durable(keras_tuner.Oracle):
    """An oracle whose files are whole at any moment: Keras Tuner writes them in place."""

    def save(self) -> None:
        text = json.dumps(self.get_state())
        write_atomic(Path(self._get_oracle_fname()), lambda part: part.write_text(text, encoding="utf-8"))

    def _save_trial(self, trial: trials.Trial) -> None:
        path = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        write_atomic(path, lambda part: trial.save(str(part)))


class Random(_Durable, RandomSearchOracle):
    """Uniform draws without repetition."""


class Bayesian(_Durable, BayesianOptimizationOracle):
    """Gaussian process and lower confidence bound.

    Keras Tuner's kernel has one length for all keys, no noise and no bounds: a few noisy scores shrink it to nothing,
    and the search is random from there on. Here each key has its length, between a twentieth of its range and five,
    and scores have noise. The bound is taken at thousands of points at once, where Keras Tuner walks from fifty of them
    one prediction at a time, which takes longer than many a trial; what was tried before is not picked again.
    """

    def _make_gpr(self) -> Any:
        process = super()._make_gpr()
        keys = max(1, len(self._nonfixed_space()))
        process.kernel = Matern(np.full(keys, 0.5), (0.05, 5.0), nu=2.5) + WhiteKernel(1e-2, (1e-5, 1.0))
        process.n_restarts_optimizer = 1
        return process

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The pick of a trial, with its status."""
        finished = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        if finished < self.num_initial_points:
            return self._random_populate_space()
        with warnings.catch_warnings():
            # A kernel at its bounds is what a flat score looks like.
            warnings.simplefilter("ignore", ConvergenceWarning)
            x, y = self._vectorize_trials()
            self.gpr.fit(x, y)
        wide = self._random_state.uniform(size=(WIDE, x.shape[1]))
        near = x[np.argmin(y)] + 0.1 * self._random_state.normal(size=(NEAR, x.shape[1]))
        points = np.concatenate([wide, np.clip(near, 0.0, 1.0)])
        mean, deviation = self.gpr.predict(points, return_std=True)
        for place in np.argsort(mean - self.beta * deviation):
            values = self._vector_to_values(points[place])
            if not self._duplicate(values):
                return {"status": "RUNNING", "values": values}
        return self._random_populate_space()


class Hyperband(_Durable, HyperbandOracle):
    """Many short trials; the better third of each round goes on for three times the epochs (Li et al. 2018)."""


class Grid(_Durable, GridSearchOracle):
    """Every combination; what Keras Tuner forgets of it when it stops (its issue 1055) is kept here."""

    def get_state(self) -> dict[str, Any]:
        ordered, index = [], 0 if self._ordered_ids._memory else None
        while index is not None:
            ordered.append(self._ordered_ids._memory[index])
            index = self._ordered_ids._next_index[index]
        return super().get_state() | {"ordered_ids": ordered, "populate_next": self._populate_next}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        for trial in state["ordered_ids"]:
            self._ordered_ids.insert(trial)
        self._populate_next = state["populate_next"]


def space_of(parameters: Iterable[Parameter], hp: keras_tuner.HyperParameters | None = None) -> Any:
    """The space as Keras Tuner has it.

    Args:
        parameters: those that others depend on first.
        hp: gets them; a new one by default.
    """
    hp = keras_tuner.HyperParameters() if hp is None else hp
    known = {}
    for parameter in parameters:
        known[parameter.key] = parameter
        _declare(hp, parameter, list(parameter.when.items()), known)
    return hp


def _declare(hp: Any, parameter: Parameter, conditions: list[Any], known: dict[str, Parameter]) -> None:
    if conditions:
        (key, allowed), *others = conditions
        given = known[key]
        with hp.conditional_scope(key, [labels(given)[given.choices.index(value)] for value in allowed]):
            _declare(hp, parameter, others, known)
    elif parameter.kind == "choice":
        hp.Choice(parameter.key, labels(parameter))
    else:
        declare, kind = (hp.Int, int) if parameter.kind == "int" else (hp.Float, float)
        sampling = "log" if parameter.log else "linear"
        step = None if parameter.step is None else kind(parameter.step)
        # Counting up by a step, Keras Tuner loses the upper end to rounding.
        slack = 1e-6 * parameter.step if parameter.step and kind is float else 0.0
        declare(parameter.key, kind(parameter.low), kind(parameter.high + slack), step=step, sampling=sampling)


def make_oracle(study: Study) -> Any:
    """The oracle of a search, in its folder, gone on with where it stopped."""
    direction = "max" if study.larger_is_better else "min"
    parameters = study.config.tuning.parameters
    given = {
        "objective": keras_tuner.Objective(OBJECTIVE, direction),
        "hyperparameters": space_of(parameters),
        "seed": study.config.seed or 1,
        "max_consecutive_failed_trials": NEVER,
    }
    oracle: Any
    match study.engine:
        case "random":
            oracle = Random(max_trials=study.trials, **given)
        case "bayesian":
            first = min(len(parameters) + 3, max(study.trials // 3, 2))
            oracle = Bayesian(max_trials=study.trials, num_initial_points=first, **given)
        case "grid":
            oracle = Grid(max_trials=study.trials, **given)
        case _:
            oracle = Hyperband(max_epochs=study.config.training.epochs, hyperband_iterations=NEVER, **given)
            oracle.max_trials = study.trials
    oracle._set_project_dir(study.folder, "engine")
    oracle.verbose = 0
    if (study.folder / "engine" / "oracle.json").exists():
        oracle.reload()
    return oracle
