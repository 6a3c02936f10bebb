"""Searches over several machines, as docs/tuning.md tells them: a chief and its worker, and one database."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest

from deepstack.config.read import dump_config
from deepstack.config.run import RunConfig
from deepstack.tuning.keras_chief import KerasChief
from deepstack.tuning.keras_oracles import OBJECTIVE
from deepstack.tuning.outcome import read_outcomes
from deepstack.tuning.search import Hands, search
from deepstack.tuning.study import Study


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
def test_a_chief_without_workers_of_its_own_and_a_worker_that_joins_it(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(dump_config(config))
    command = [sys.executable, "-m", "deepstack", "tune", str(tmp_path / "tiny.yaml"), "--trials", "2"]
    command += ["--tuner", "random", "--out", str(tmp_path / "s"), "--artifacts", str(tmp_path / "arts")]
    place = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_port())}
    roles = {"chief": [*command, "--workers", "0"], "gpu7": command}
    running = {
        role: subprocess.Popen(
            asked,
            env=os.environ | place | {"KERASTUNER_TUNER_ID": role},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for role, asked in roles.items()
    }
    try:
        said = {role: process.communicate(timeout=400) for role, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
    assert {role: process.returncode for role, process in running.items()} == {"chief": 0, "gpu7": 0}, said
    outcomes = read_outcomes(tmp_path / "s" / "trials")
    assert [(one.state, one.worker) for one in outcomes] == [("complete", "gpu7")] * 2
    assert "Best of 2 finished trials" in said["chief"][0]


def test_a_chief_stays_until_every_worker_has_heard_that_there_are_no_more_trials(
    config: RunConfig, tmp_path: Path
) -> None:
    chief = KerasChief(Study(config, tmp_path, "random", 1))
    trial = chief.oracle.create_trial("gpu7")
    chief.oracle.update_trial(trial.trial_id, {OBJECTIVE: 0.5})
    trial.status = "COMPLETED"
    chief.oracle.end_trial(trial)
    assert not chief.busy
    with ThreadPoolExecutor() as pool:
        dismissed = pool.submit(chief.dismiss)
        with pytest.raises(TimeoutError):
            dismissed.result(timeout=0.3)
        assert chief.oracle.create_trial("gpu7").status == "STOPPED"
        dismissed.result(timeout=5)
    chief.close()


@pytest.mark.slow
def test_machines_that_share_a_database_share_its_trials(config: RunConfig, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    found = [
        search(Study(config, tmp_path / name, "optuna", trials, storage=url), Hands(ledger=tmp_path / name))
        for name, trials in (("one", 2), ("two", 4))  # in all, whoever runs them
    ]
    (name,) = optuna.get_all_study_names(url)
    shared = optuna.load_study(study_name=name, storage=url).trials
    assert [trial.number for trial in shared] == [0, 1, 2, 3]
    own = [outcome for outcomes in found for outcome in outcomes]
    assert [int(outcome.trial) for outcome in own] == [0, 1, 2, 3]
    assert [trial.value for trial in shared] == pytest.approx([outcome.score for outcome in own])
