"""Two finished models judged as one, from artifacts to the page; and members that do not belong together."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles, Market
from deepstack.config.read import read_config
from deepstack.errors import ArtifactError
from deepstack.evaluation import report as report_module
from deepstack.evaluation.ledger import LEDGER, Ledger, Made
from deepstack.pipeline.judgement import judge_models
from deepstack.pipeline.market import load_source
from deepstack.pipeline.predict import load
from deepstack.pipeline.run import run
from deepstack.progress import no_progress
from deepstack.studies import together as module
from deepstack.studies.members import aligned
from deepstack.studies.together import ensemble
from deepstack.studies.two_stage import confirmed

CONFIG = """\
name: small
seed: 5
data:
  synthetic: {symbols: 1, bars: 5000, interval: 1min, edge: 1.0}
features: {names: [close]}
labels:
  kind: horizons
  horizons: {lengths: [15min], volatility_bars: 60, every_bars: 6}
samples: {window_bars: 12}
model: {name: gaf_resnet18, head: classes, options: {size: 8, filters: [64], blocks: [1], units: 8}}
training: {strategy: none, epochs: 1, batch_size: 64}
evaluation: {bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all, gradient_boosting]}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble")
    (folder / "small.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def artifacts(place: Path) -> list[Path]:
    """The same question asked of windows of 12 and 24 bars."""
    return [
        run(read_config(place / "small.yaml", [f"samples.window_bars={bars}"]), out=place / "artifacts" / str(bars))
        for bars in (12, 24)
    ]


@pytest.fixture(scope="module")
def market(place: Path) -> Market:
    return load_source(read_config(place / "small.yaml")).market


@pytest.fixture(scope="module")
def report(place: Path, artifacts: list[Path], market: Market) -> dict:
    return ensemble(artifacts, market, place / "together", method="weighted")


def test_every_member_method_and_tree_is_judged_on_the_same_samples(report: dict) -> None:
    names = {"network", *report["baselines"]}
    assert {"ensemble_mean", "ensemble_voting", "ensemble_stacking"} <= names
    assert {"gaf_resnet18_12bars", "gaf_resnet18_24bars", "gradient_boosting"} <= names
    assert any(name.startswith("two_stage_") for name in names)
    blocks = [report["test"]["h15min"], *(block["h15min"] for block in report["baselines"].values())]
    stages = [block["h15min"] for name, block in report["baselines"].items() if name.startswith("two_stage_")]
    alone = report["baselines"]["gradient_boosting"]["h15min"]
    assert stages and min(stage["trades_taken"] for stage in stages) <= alone["trades_taken"]
    blocks = [block for block in blocks if "confusion" in block]
    assert {block["trades"] for block in blocks} == {report["samples"]["test"]}
    for block in blocks:
        assert np.sum(block["confusion"]) == report["samples"]["test"]
        assert {"win_rate", "sharpe", "sortino", "accuracy"} <= set(block)


def test_each_regime_has_figures_and_they_add_up(report: dict) -> None:
    for figures in report["regimes"]["15min"].values():
        trends = sum(figures[f"trend {name}"]["samples"] for name in ("up", "down", "range"))
        assert trends == figures["volatility high"]["samples"] + figures["volatility low"]["samples"]
        assert trends == report["samples"]["test"]


def test_the_page_and_the_plots_stand(place: Path, report: dict) -> None:
    assert json.loads((place / "together" / "report.json").read_text())["verdict"] == report["verdict"]
    assert "By market regime" in (place / "together" / "report.html").read_text()
    assert (place / "together" / "plots" / "confusion_ensemble_mean.png").stat().st_size > 1000


def test_members_answer_for_the_same_decisions(artifacts: list[Path], market: Market) -> None:
    members = aligned(artifacts, market, no_progress)
    test = members.slices.frame(members.slices.split.test)
    for number, path in enumerate(artifacts):
        table = load(path).predict(market).set_index("decision_time").loc[test["decision_time"]]
        np.testing.assert_allclose(table[["sell", "hold", "buy"]], members.test[number, :, 0], atol=1e-6)


@pytest.mark.slow
def test_a_member_whose_selection_left_the_longest_memory_out_keeps_its_slices(finished: Any) -> None:
    """What it was trained on is cut by all features that were computed, not by those it kept."""
    members = aligned([finished.folder], finished.market, no_progress)
    samples = finished.report["samples"]
    assert members.slices.split.test_cut == pd.Timestamp(samples["test_cut"])
    assert members.left_out == 0 and len(members.slices.split.test) == samples["test"]


def test_a_tree_can_be_a_member(place: Path, artifacts: list[Path], market: Market) -> None:
    classical = ("gradient_boosting", "logistic")
    mixed = ensemble(artifacts[:1], market, place / "mixed", classical=classical)
    assert mixed["ensemble"]["members"] == ["gaf_resnet18_12bars", *classical]
    rows = mixed["baselines"]
    assert {"gradient_boosting", "logistic", "gaf_resnet18_12bars"} <= set(rows)
    members = {"gaf_resnet18_12bars", *classical}
    assert set(mixed["ensemble"]["company"]["15min"]["dropped"]) < members
    assert mixed["test"]["h15min"]["auc"] not in {rows[name]["h15min"]["auc"] for name in members}


def test_what_is_tried_is_counted_beside_the_members(place: Path, artifacts: list[Path], report: dict) -> None:
    trials = {trial.name: trial for trial in Ledger(artifacts[0].parent / LEDGER).trials() if trial.run == "together"}
    dropped = len(report["ensemble"]["company"]["15min"]["dropped"])
    assert trials["ensemble_weighted 15min"].kind == "ensemble"
    assert trials["ensemble_weighted 15min"].made == Made(0, 1, 1 + dropped)
    assert "take_all 15min" not in trials  # the first member's run has counted it
    assert not (place / LEDGER).exists()


def test_a_member_keeps_its_kind_and_two_stages_are_counted(artifacts: list[Path], report: dict) -> None:
    trials = {trial.name: trial for trial in Ledger(artifacts[0].parent / LEDGER).trials() if trial.run == "together"}
    member, stage = trials["gaf_resnet18_24bars 15min"], trials["two_stage_gradient_boosting 15min"]
    assert (member.kind, member.made) == ("training", Made(0, 1))
    assert (stage.kind, stage.made) == ("ensemble", Made(0, 0, 1))
    assert "two_stage_gradient_boosting" in report["baselines"]


@pytest.mark.slow
def test_two_stages_hold_calibrated_probabilities_against_their_thresholds(
    place: Path, artifacts: list[Path], market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = aligned(artifacts, market, no_progress)
    calibrated = members.config.evaluation.model_copy(update={"calibration": "platt"})
    config = members.config.model_copy(update={"evaluation": calibrated})
    monkeypatch.setattr(module, "aligned", lambda *_: replace(members, config=config))
    judged, asked = [], []

    def judging(*arguments: Any, **more: Any) -> Any:
        judged.append(judge_models(*arguments, **more))
        return judged[-1]

    def confirming(*arguments: Any) -> Any:
        asked.append(arguments)
        return confirmed(*arguments)

    monkeypatch.setattr(module, "judge_models", judging)
    monkeypatch.setattr(module, "confirmed", confirming)
    found = ensemble(artifacts, market, place / "calibrated")
    ((first, second, (of_first, of_second)), *_) = asked
    said = judged[0].predictions["15min"]
    name = next(name for name in ("xgboost", "gradient_boosting") if name in said)
    np.testing.assert_array_equal(first, said[name].test)
    np.testing.assert_array_equal(second, said["network"].test)
    assert of_first == found["baselines"][name]["h15min"]["threshold"]
    assert of_second == found["test"]["h15min"]["threshold"]
    raw = members.test[0][:, 0]
    assert not np.allclose(said["gaf_resnet18_12bars"].test, raw)  # it did calibrate


def test_members_of_other_candles_or_labels_are_refused(place: Path, artifacts: list[Path], market: Market) -> None:
    ((symbol, candles),) = market.items()
    later = {symbol: Candles(symbol, candles.interval, candles.frame.iloc[10:])}
    with pytest.raises(ArtifactError, match="other candles"):
        ensemble(artifacts, later, place / "no")
    sets = ["labels.horizons.lengths=[30min]"]
    other = run(read_config(place / "small.yaml", sets), out=place / "artifacts" / "other")
    with pytest.raises(ArtifactError, match=r"labels\.horizons"):
        ensemble([artifacts[0], other], market, place / "no")
    assert not (place / "no").exists()


def test_the_same_member_twice_is_refused(place: Path, artifacts: list[Path], market: Market) -> None:
    with pytest.raises(ArtifactError, match="different members"):
        ensemble([artifacts[0], artifacts[0]], market, place / "no")


def test_a_report_that_cannot_be_finished_leaves_nothing(
    place: Path, artifacts: list[Path], market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(report_module, "render_html", broken)
    with pytest.raises(KeyboardInterrupt):
        ensemble(artifacts, market, place / "broken")
    assert not list(place.glob("*broken*"))
