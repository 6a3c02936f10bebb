"""The chief of a Keras Tuner search: its oracle behind gRPC, asked by the workers of this machine and others."""

import time
from concurrent import futures
from typing import Any

import grpc
from keras_tuner.engine import trial as trials
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from deepstack.errors import ConfigError
from deepstack.tuning.keras_oracles import OBJECTIVE, make_oracle
from deepstack.tuning.outcome import Outcome
from deepstack.tuning.study import Study

DISMISSED_WITHIN_S = 30.0
"""How long workers that are not at a trial may take to ask for one more and hear that there is none."""


class KerasChief:
    """Serves trials until it is closed; Keras Tuner's own loop waits for ever for a worker that has died."""

    def __init__(self, study: Study, listen: str = "127.0.0.1:0") -> None:
        self.oracle = make_oracle(study)
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(self.oracle), self.server)
        host, _, port = listen.rpartition(":")
        try:
            bound = self.server.add_insecure_port(listen)
        except RuntimeError as error:
            raise ConfigError(
                "KERASTUNER_ORACLE_PORT", expected="a free port", received=port, remedy="another"
            ) from error
        self.address = f"{host}:{bound}"
        self.server.start()

    def end(self, worker: str, reason: str, finished: dict[str, Outcome]) -> Outcome | None:
        """End the trial of a worker that has died; one whose outcome it had written counts as it is.

        Args:
            worker: its name.
            reason: how it died.
            finished: outcomes on disk.

        Returns:
            The outcome of a trial that failed with it; None when it had none.
        """
        self.oracle.tuner_ids.discard(worker)
        trial = self.oracle.ongoing_trials.get(worker)
        if trial is None:
            return None
        done = finished.get(trial.trial_id)
        if done is not None and done.score is not None:
            self.oracle.update_trial(trial.trial_id, {OBJECTIVE: done.score})
            trial.status = trials.TrialStatus.COMPLETED
            self.oracle.end_trial(trial)
            return None
        trial.status, trial.message = trials.TrialStatus.FAILED, reason
        values = dict(trial.hyperparameters.values)
        self.oracle.end_trial(trial)
        return Outcome(trial.trial_id, "failed", picked(values), reason=reason, worker=worker)

    def stop(self) -> None:
        """Give out no further trial."""
        self.oracle.max_trials = max(len(self.oracle.trials), 1)

    def dismiss(self) -> None:
        """Tell workers between trials that there are no more; one that asks too late would wait an hour for that."""
        self.stop()
        deadline = time.monotonic() + DISMISSED_WITHIN_S
        while self.oracle.tuner_ids - self.oracle.ongoing_trials.keys() and time.monotonic() < deadline:
            time.sleep(0.05)

    @property
    def busy(self) -> bool:
        """Whether a worker, here or elsewhere, is at a trial."""
        return bool(self.oracle.ongoing_trials)

    def close(self) -> None:
        """Leave the network."""
        self.server.stop(grace=1.0).wait()


def picked(values: dict[str, Any]) -> dict[str, Any]:
    """Without what Hyperband adds for itself."""
    return {key: value for key, value in values.items() if not key.startswith("tuner/")}
