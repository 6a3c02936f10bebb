"""A trial is judged on folds before the test slice, and whatever goes wrong with it is its outcome."""

from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles
from deepstack.config.model import ModelConfig
from deepstack.config.run import RunConfig
from deepstack.models import catalogue
from deepstack.pipeline.market import Source, load_source
from deepstack.pipeline.samples import Slices, find, slices
from deepstack.training import prepare
from deepstack.tuning.examine import Examiner, folds_of
from deepstack.tuning.outcome import read_outcome, read_outcomes

PICK = {"model.options.width": 8, "training.learning_rate": 0.01, "training.loss": "cross_entropy"}


@pytest.fixture(scope="module")
def source(config: RunConfig) -> Source:
    return load_source(config)


def test_no_fold_knows_anything_of_the_test_slice(config: RunConfig, source: Source) -> None:
    found = find(source.market, config, catalogue.find(config.model.name))
    cut = slices(found, source.interval, config).split.test_cut
    folds = folds_of(config, source)
    assert len(folds) == 2
    for parts in folds:
        assert parts.labels.samples["end_time"].max() < cut
        times = parts.labels.samples
        test_start = times["decision_time"].iloc[parts.split.test].min()
        assert times["end_time"].iloc[np.concatenate([parts.split.train, parts.split.validation])].max() < test_start
    # Candles of the test slice may be anything: no sample, feature or scaler of any fold changes.
    ruined = {
        name: Candles(name, one.interval, pd.concat([one.frame[: cut - one.interval], 3.0 * one.frame[cut:]]))
        for name, one in source.market.items()
    }
    for ours, theirs in zip(folds, folds_of(config, replace(source, market=ruined)), strict=True):
        pd.testing.assert_frame_equal(ours.labels.samples, theirs.labels.samples)
        np.testing.assert_array_equal(ours.inputs["features"], theirs.inputs["features"])


def test_an_outcome_says_what_was_tried_and_what_it_returned(config: RunConfig, source: Source, tmp_path: Path) -> None:
    examiner = Examiner(config, source, tmp_path, latency=True, worker="me")
    outcome = examiner.examine("0", PICK)
    assert outcome == read_outcome(tmp_path / "trials" / "0.json")
    assert outcome.state == "complete" and outcome.score == pytest.approx(np.mean(outcome.folds))
    assert len(outcome.folds) == 2 and outcome.epochs == 4 and outcome.parameters > 0 and outcome.worker == "me"
    assert outcome.latency_ms is not None and 0.0 < outcome.latency_ms < 100.0
    daily = outcome.daily()["won"]
    assert daily.days[-1] < source.market["SYN01"].frame.index[-1]
    assert np.abs(daily.values).sum() > 0.0


def test_trials_that_look_at_other_things_do_not_share_samples(
    config: RunConfig, source: Source, tmp_path: Path
) -> None:
    examiner = Examiner(config, source, tmp_path)

    def folds(*members: str) -> list[Slices]:
        model = ModelConfig(name="ensemble", options={"other_models": list(members)})
        return examiner._folds(config.model_copy(update={"model": model}))

    without = folds("sequential", "tcn")
    assert folds("sequential", "gru") is without
    timed = folds("sequential", "episodic_memory")
    assert set(timed[0].inputs) - set(without[0].inputs) == {"decision_s"}


def test_trials_of_one_graph_compile_once(config: RunConfig, source: Source, tmp_path: Path) -> None:
    examiner = Examiner(config, source, tmp_path)
    first = examiner.examine("0", PICK)
    with mock.patch.object(prepare, "make_train_step", side_effect=AssertionError("compiled again")):
        other = examiner.examine("1", PICK | {"training.learning_rate": 0.05})
        again = examiner.examine("2", PICK)
    assert again.score == pytest.approx(first.score, abs=1e-6) and other.score != first.score


def test_what_cannot_be_trained_is_an_outcome(config: RunConfig, source: Source, tmp_path: Path) -> None:
    examiner = Examiner(config, source, tmp_path)
    wild = examiner.examine("0", PICK | {"training.learning_rate": 1e30})
    assert wild.state == "failed" and "finite" in wild.reason
    with mock.patch("deepstack.tuning.examine.train_network", side_effect=MemoryError("no more")):
        full = examiner.examine("1", PICK)
    assert full.state == "failed" and full.reason == "out of memory: no more"
    assert [one.state for one in read_outcomes(tmp_path / "trials")] == ["failed", "failed"]
    assert examiner.examine("2", PICK).state == "complete"


def test_a_hopeless_trial_ends_early(config: RunConfig, source: Source, tmp_path: Path) -> None:
    outcome = Examiner(config, source, tmp_path).examine("0", PICK, report=lambda fold, score: True)
    assert outcome.state == "pruned" and len(outcome.folds) == 1 and "1 of 2 folds" in outcome.reason


def test_a_promoted_trial_goes_on_from_its_weights(config: RunConfig, source: Source, tmp_path: Path) -> None:
    examiner = Examiner(config, source, tmp_path, keeps_weights=True)
    examiner.examine("0", PICK, epochs=1)
    seen = []
    real = examiner._fit
    with mock.patch.object(examiner, "_fit", side_effect=lambda *a: seen.append(a[2]) or real(*a)):
        promoted = examiner.examine("1", PICK, epochs=1, before="0")
    assert promoted.started_from == "0"
    with np.load(tmp_path / "weights" / "0-fold1.npz") as kept:
        for given, stored in zip(seen[1], kept.values(), strict=True):
            np.testing.assert_array_equal(given, stored)


def test_a_deeper_trial_grows_from_the_best_shallower_one(config: RunConfig, source: Source, tmp_path: Path) -> None:
    options = {"width": 8, "res_blocks_per_unit": [1], "dense_blocks_per_unit": [1], "attention_scales": [1]}
    key = "model.options.res_blocks_per_unit"
    tuning = config.tuning.model_copy(update={"grow": True, "space": {key: "1 x int 1..4"}})
    model = config.model.model_copy(update={"name": "ultimate", "options": options})
    grows = config.model_copy(update={"model": model, "tuning": tuning})
    examiner = Examiner(grows, source, tmp_path, keeps_weights=True)
    assert examiner.examine("0", {key: 2}, epochs=1).started_from is None
    assert examiner.examine("1", {key: 3}, epochs=1).started_from == "0"
    assert examiner.examine("2", {key: 1}, epochs=1).started_from is None
    best = max(read_outcomes(tmp_path / "trials"), key=lambda one: one.score or 0.0).trial
    assert examiner.examine("3", {key: 4}, epochs=1).started_from == best
