"""The ledger loses nothing, counts nothing twice, and says what was tried on the same data."""

import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepstack.errors import DataError
from deepstack.evaluation.deflation import deflation
from deepstack.evaluation.ledger import Ledger, Made, Trial
from deepstack.evaluation.returns import DailyReturns


def trial(seed: int = 0, first: str = "2024-01-01", days: int = 200, **more: object) -> Trial:
    values = np.random.default_rng(seed).normal(0.0, 0.01, days)
    returns = DailyReturns(pd.date_range(first, periods=days, freq="D", tz="UTC"), values)
    return Trial(
        **{"kind": "training", "name": f"m{seed}", "run": "r", "symbols": ("BTC",), "returns": returns, **more}
    )  # type: ignore[arg-type]


def write(place: tuple[Path, int]) -> None:
    path, number = place
    for seed in range(10):
        Ledger(path).append([trial(100 * number + seed), trial(0)])


def test_what_was_written_is_read_and_the_same_trial_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "deeper" / "ledger.jsonl")
    assert ledger.trials() == []
    ledger.append([trial(1), trial(2)])
    ledger.append([trial(2), trial(3, run="another")])
    found = ledger.trials()
    assert [one.name for one in found] == ["m1", "m2", "m3"]
    np.testing.assert_allclose(found[0].returns.values, trial(1).returns.values, rtol=1e-8)
    assert found[0].id == trial(1).id


def test_writers_do_not_tread_on_each_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(write, [(path, number) for number in (1, 2, 3)]))
    assert len(Ledger(path).trials()) == 31
    assert len(path.read_text().splitlines()) == 31


def test_a_line_cut_off_by_a_kill_costs_that_trial_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append([trial(1)])
    with ledger.path.open("a") as file:
        file.write('{"kind": "training", "na')
    assert len(ledger.trials()) == 1
    ledger.append([trial(2)])
    assert [one.name for one in ledger.trials()] == ["m1", "m2"]


def test_a_whole_line_without_its_end_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append([trial(1), trial(2)])
    ledger.path.write_text(ledger.path.read_text().rstrip("\n"))
    assert len(ledger.trials()) == 2
    ledger.append([trial(3)])
    assert [one.name for one in ledger.trials()] == ["m1", "m2", "m3"]


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.path.write_text("my notes")
    with pytest.raises(DataError, match=r"ledger\.jsonl:1: expected a trial"):
        ledger.append([trial(1)])
    assert ledger.path.read_text() == "my notes"


LINE = {
    "kind": "a",
    "name": "b",
    "run": "c",
    "symbols": ["X"],
    "choices": {"trainings": 1, "thresholds": 1},
    "first_day": "2024-01-01",
    "returns": [0.1],
}
BROKEN = (
    {"returns": []},
    {"returns": [[0.1]]},
    {"choices": -5},
    {"choices": {"trainings": -1}},
    {"choices": {"trainings": 1.5}},
    {"choices": {"guesses": 1}},
    {"choices": float("inf")},
    {"symbols": "BTC"},
    {"first_day": 3},
)


@pytest.mark.parametrize("line", ["no json", "{}", "[" * 100_000, *(json.dumps(LINE | broken) for broken in BROKEN)])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append([trial(1)])
    with ledger.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"ledger\.jsonl:2: expected a trial"):
        ledger.append([trial(2)])


def test_trials_count_on_the_same_symbols_in_overlapping_time(tmp_path: Path) -> None:
    tried = [
        trial(1),
        trial(2, first="2024-07-18"),  # the last day of the first
        trial(3, first="2024-07-19"),
        trial(4, symbols=("ETH",)),
        trial(5, symbols=("ETH", "BTC")),
    ]
    found = deflation(tried[0].returns, tried, ["BTC"], 50, 0)
    assert (found["trials"], found["choices"]) == (3, 6)


def test_choices_are_counted_by_kind_and_read_back(tmp_path: Path) -> None:
    assert [Made().choices, Made(0, 0).choices, Made(6, 6, 4).choices] == [2, 1, 16]
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append([trial(1, made=Made(3, 3, 2)), trial(2)])
    with ledger.path.open("a") as file:
        file.write(json.dumps(LINE | {"choices": 5, "symbols": ["BTC"]}) + "\n")  # as older lines have it
    assert [one.made for one in ledger.trials()] == [Made(3, 3, 2), Made(), Made(5, 0)]
    assert deflation(trial(1).returns, ledger.trials(), ["BTC"], 50, 0)["choices"] == 15


def test_more_trials_leave_less_of_a_sharpe_ratio() -> None:
    own = trial(7)
    lucky = DailyReturns(own.returns.days, own.returns.values - own.returns.values.mean() + 0.0015)
    best = Trial("training", "best", "r", ("BTC",), lucky)
    alone, among = (deflation(lucky, [best, *others], ["BTC"], 50, 0) for others in ([], [trial(k) for k in range(40)]))
    assert alone["probabilistic_sharpe"] == among["probabilistic_sharpe"] > 0.9
    # A training and a threshold are two choices, also where nothing else was tried.
    assert among["deflated_sharpe"] < alone["deflated_sharpe"] < alone["probabilistic_sharpe"]
    assert alone["overfitting"] is None and 0.0 <= among["overfitting"] <= 1.0


def test_what_could_not_be_read_again_is_not_written() -> None:
    days = pd.date_range("2024-01-01", periods=2, freq="D", tz="UTC")
    for values in ([0.1, np.nan], [np.inf, 0.0]):
        with pytest.raises(ValueError, match="none"):
            trial(returns=DailyReturns(days, np.array(values)))
