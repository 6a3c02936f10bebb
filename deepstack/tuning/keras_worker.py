"""A worker of a Keras Tuner search."""

import os
import time
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.errors import FailedTrialError

from deepstack.tuning.examine import Examiner
from deepstack.tuning.keras_chief import picked
from deepstack.tuning.keras_oracles import OBJECTIVE, Random
from deepstack.tuning.study import Study
from deepstack.tuning.workers import rest_if_tired

BETWEEN_ASKS_S = 0.1


class _Worker(BaseTuner):
    """Asks the chief for trials and answers them; the oracle it is made with is replaced by the chief's."""

    def __init__(self, study: Study, examiner: Examiner) -> None:
        direction = "max" if study.larger_is_better else "min"
        blank = Random(objective=keras_tuner.Objective(OBJECTIVE, direction), max_trials=study.trials)
        super().__init__(blank, directory=str(study.folder), project_name="engine")
        self.examiner = examiner

    def pre_create_trial(self) -> None:
        # Keras Tuner asks again at once while there is nothing to do yet.
        time.sleep(BETWEEN_ASKS_S)
        rest_if_tired()

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        values = dict(trial.hyperparameters.values)
        epochs, before = values.get("tuner/epochs"), values.get("tuner/trial_id")
        if epochs is not None:
            epochs -= values.get("tuner/initial_epoch", 0)
        outcome = self.examiner.examine(trial.trial_id, picked(values), epochs=epochs, before=before)
        if outcome.score is None:
            raise FailedTrialError(outcome.reason)
        return {OBJECTIVE: outcome.score}

    def save(self) -> None:
        """Keep nothing: the chief keeps the state, the examiner the outcomes."""

    def reload(self) -> None:
        """Nothing was kept."""


def work(study: Study, examiner: Examiner, address: str, name: str) -> None:
    """Run trials until the chief has none left.

    Args:
        study: the search.
        examiner: judges a trial.
        address: host:port of the chief.
        name: of this worker, its own among all machines.
    """
    host, _, port = address.rpartition(":")
    os.environ |= {"KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port}
    _Worker(study, examiner).search()
