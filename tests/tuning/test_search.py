"""A search over processes: killed workers, failing trials, kill -9 and going on, and one search a folder."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from deepstack.config.read import dump_config, read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError, ConfigError, DeepstackError
from deepstack.evaluation.ledger import LEDGER, Ledger, Made
from deepstack.tuning.outcome import Outcome, read_outcomes
from deepstack.tuning.search import Hands, best_of, front_of, search
from deepstack.tuning.study import Study
from deepstack.tuning.tune import tune
from deepstack.tuning.workers import SPAWN

ENGINES = ("random", "optuna")


def spaced(config: RunConfig, **space: str) -> RunConfig:
    tuning = config.tuning.model_copy(update={"space": {key.replace("__", "."): v for key, v in space.items()}})
    return config.model_copy(update={"tuning": tuning})


def kill_one_worker(folder: Path, killed: list[int]) -> None:
    """Kill a worker that is in the middle of a trial."""
    while len(list((folder / "trials").glob("*.json"))) < 1:
        time.sleep(0.05)
    time.sleep(0.3)
    victim = next(process for process in SPAWN.active_children() if process.name == "tuner0")  # type: ignore[attr-defined]
    os.kill(victim.pid or 0, signal.SIGKILL)
    killed.append(victim.pid or 0)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_worker_killed_in_mid_trial_costs_that_trial_alone(config: RunConfig, tmp_path: Path, engine: str) -> None:
    study, killed = Study(config, tmp_path / "s", engine, 6), []
    killer = threading.Thread(target=kill_one_worker, args=(study.folder, killed))
    killer.start()
    outcomes = search(study, Hands(workers=2, ledger=tmp_path))
    killer.join()
    assert killed and len(outcomes) == 6
    failed = [one for one in outcomes if one.state == "failed"]
    assert len(failed) <= 1 and all("SIGKILL" in one.reason for one in failed)
    assert sum(one.state != "failed" for one in outcomes) >= 5
    trials = Ledger(tmp_path / LEDGER).trials()
    assert {trial.kind for trial in trials} == {"tuning"}
    assert len({trial.name for trial in trials}) >= 4


@pytest.mark.slow
def test_failing_trials_are_recorded_and_the_search_ends_when_all_fail(config: RunConfig, tmp_path: Path) -> None:
    wild = spaced(config, training__learning_rate="log 1e25..1e30")
    with pytest.raises(ConfigError, match="learning_rate"):
        search(Study(wild, tmp_path / "none", "random", 12), Hands(ledger=tmp_path))
    wild = spaced(config, training__batch_size="int 100000..200000")
    with pytest.raises(DeepstackError, match=r"10 in a row.*batch"):
        search(Study(wild, tmp_path / "s", "random", 12), Hands(ledger=tmp_path))
    assert {one.state for one in read_outcomes(tmp_path / "s" / "trials")} == {"failed"}
    tried = Ledger(tmp_path / LEDGER).trials()
    assert len(tried) >= 10 and {trial.made for trial in tried} == {Made(1, 0)}  # one more may have been under way


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_kill_9_and_resume_lose_the_running_trial_at_most(config: RunConfig, tmp_path: Path, engine: str) -> None:
    (tmp_path / "tiny.yaml").write_text(dump_config(config))
    command = [sys.executable, "-m", "deepstack", "tune", tmp_path / "tiny.yaml", "--trials", "4", "--tuner", engine]
    command += ["--out", tmp_path / "s", "--artifacts", tmp_path / "arts"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list((tmp_path / "s" / "trials").glob("[0-9]*.json"))) < 2:
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    done = {one.trial: one for one in read_outcomes(tmp_path / "s" / "trials")}
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "--resume" in refused.stderr
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    outcomes = {one.trial: one for one in read_outcomes(tmp_path / "s" / "trials")}
    assert len(outcomes) == 4 and sum(one.state == "failed" for one in outcomes.values()) <= 1
    assert {key: outcomes[key].score for key in done} == {key: one.score for key, one in done.items()}
    assert f"artifact: {tmp_path / 'arts'}" in again.stdout
    best = read_config(tmp_path / "s" / "best.yaml")
    table = pd.read_csv(tmp_path / "s" / "trials.csv", dtype={"trial": str})
    assert len(table) == 4
    row = table[table["state"] == "complete"].sort_values("score").iloc[-1]
    assert best.training.learning_rate == pytest.approx(row["training.learning_rate"])
    (artifact,) = (path for path in (tmp_path / "arts").iterdir() if path.name.startswith("tiny-"))
    report = json.loads((artifact / "report.json").read_text())
    kinds = [trial.kind for trial in Ledger(tmp_path / "arts" / LEDGER).trials()]
    # The test slice was opened by the winner alone, and its report counts the whole search.
    assert kinds.count("training") == 1 and report["trials"] == len(kinds) > 3
    page = (tmp_path / "s" / "search.html").read_text()
    assert "On the test slice, opened once" in page and "Parallel coordinates" in page
    once_more = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert once_more.returncode == 0 and once_more.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]


def test_one_search_a_folder(config: RunConfig, tmp_path: Path) -> None:
    from deepstack.artifact.alone import alone

    with (
        alone(tmp_path / "s", "a search"),
        pytest.raises(ArtifactError, match="no other process"),
    ):
        search(Study(config, tmp_path / "s", "random", 2), Hands(ledger=tmp_path))


@pytest.mark.slow
def test_a_folder_keeps_to_its_search_and_no_trial_is_begun_when_time_is_up(config: RunConfig, tmp_path: Path) -> None:
    outcomes = search(Study(config, tmp_path / "s", "random", 50), Hands(minutes=0.0, ledger=tmp_path))
    assert len(outcomes) <= 1
    for other in (Study(config, tmp_path / "s", "grid", 50), Study(spaced(config, seed="int 1..2"), tmp_path / "s")):
        with pytest.raises(DeepstackError):
            search(other, Hands(ledger=tmp_path))


@pytest.mark.slow
def test_two_objectives_leave_a_front(config: RunConfig, tmp_path: Path) -> None:
    study = Study(config, tmp_path / "s", "optuna", 4, against="size")
    found = tune(study, Hands(ledger=tmp_path / "arts"))
    sizes = [row["parameters"] for row in found["front"]]
    assert found["front"][0]["trial"] == found["best"]["trial"]
    assert sizes == sorted(sizes, reverse=True)
    assert (tmp_path / "s" / "plots" / "pareto.png").stat().st_size > 1000


def test_the_front_holds_what_nothing_beats(config: RunConfig, tmp_path: Path) -> None:
    study = Study(config, tmp_path, "optuna", against="size")
    trials = [(0.6, 900), (0.6, 800), (0.55, 850), (0.5, 100), (0.58, 800)]
    outcomes = [Outcome(str(k), "complete", {}, score, parameters=size) for k, (score, size) in enumerate(trials)]
    assert [one.trial for one in front_of(outcomes, study)] == ["1", "3"]
    assert best_of([*outcomes, Outcome("9", "pruned", {}, 0.9)], study) is outcomes[0]


def test_what_does_not_go_together_is_refused(config: RunConfig, tmp_path: Path) -> None:
    for study in (Study(config, tmp_path, "random", against="size"), Study(config, tmp_path, "grid", storage="x://")):
        with pytest.raises(ConfigError, match="--tuner optuna"):
            study.require()
