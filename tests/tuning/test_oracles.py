"""Keras Tuner's oracles go on where they stopped, the grid too, and their files are whole at any moment."""

import itertools
from pathlib import Path

import pytest

from deepstack.config.run import RunConfig
from deepstack.tuning.keras_oracles import OBJECTIVE, make_oracle
from deepstack.tuning.study import Study

ENGINES = ("random", "bayesian", "hyperband", "grid")


def searched(config: RunConfig, folder: Path, engine: str, trials: int, stop: int | None = None) -> list[dict]:
    """The picks of a search, stopped after `stop` trials."""
    oracle = make_oracle(Study(config, folder, engine, trials))
    for _ in range(stop or trials):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        values = trial.hyperparameters.values
        oracle.update_trial(trial.trial_id, {OBJECTIVE: 0.5 + values["training.learning_rate"]})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return [oracle.trials[key].hyperparameters.values for key in sorted(oracle.trials)]


@pytest.fixture
def gridded(config: RunConfig) -> RunConfig:
    space = {
        "model.options.width": "choice [4, 8]",
        "training.learning_rate": "float 0.01..0.03 step 0.01",
        "training.loss": "choice [cross_entropy, focal]",
    }
    return config.model_copy(update={"tuning": config.tuning.model_copy(update={"space": space})})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_search_broken_off_goes_on(gridded: RunConfig, tmp_path: Path, engine: str) -> None:
    whole = searched(gridded, tmp_path / "whole", engine, 7)
    first = searched(gridded, tmp_path / "parts", engine, 7, stop=4)
    both = searched(gridded, tmp_path / "parts", engine, 7)
    assert both[:4] == first == whole[:4]
    assert len(both) == 7
    if engine in ("grid", "hyperband", "random"):
        assert both == whole


def test_the_grid_is_searched_whole_and_once(gridded: RunConfig, tmp_path: Path) -> None:
    for stop in (1, 5, 9, 99):
        found = searched(gridded, tmp_path, "grid", 99, stop=stop)
    picks = [tuple(round(v, 6) if isinstance(v, float) else v for v in one.values()) for one in found]
    assert sorted(picks) == sorted(itertools.product((4, 8), (0.01, 0.02, 0.03), ("cross_entropy", "focal")))


def test_a_trial_that_was_running_is_run_again(gridded: RunConfig, tmp_path: Path) -> None:
    study = Study(gridded, tmp_path, "random", 5)
    running = make_oracle(study).create_trial("tuner0")
    again = make_oracle(study).create_trial("tuner7")
    assert (again.trial_id, again.hyperparameters.values) == (running.trial_id, running.hyperparameters.values)


def test_no_part_of_a_file_is_ever_read(gridded: RunConfig, tmp_path: Path) -> None:
    searched(gridded, tmp_path, "random", 3)
    for name in ("oracle.json", "trial_0/trial.json"):
        leftover = (tmp_path / "engine" / name).with_name(".part-1-" + Path(name).name)
        leftover.write_text('{"cut')
    assert len(searched(gridded, tmp_path, "random", 4)) == 4
