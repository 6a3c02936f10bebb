"""The certificate says where the real score lies, resumes, stops in time, and refuses to mix experiments."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.errors import DataError
from deepstack.evaluation.certificate import Score, certificate, read_certificate, sentences
from deepstack.evaluation.ledger import LEDGER, Ledger
from deepstack.labels.labelled import label
from deepstack.pipeline.run import run
from deepstack.studies import null_certificate as module
from deepstack.studies.null_certificate import null_certificate, read_scores, shifted

CONFIG = """\
name: tiny
seed: 5
data:
  synthetic: {symbols: 2, bars: 2500, interval: 1h, edge: 3.0}
features: {groups: [price], max_features: 8}
model: {name: sequential, options: {layers: 5, width: 8}}
training: {strategy: none, jit_compile: false, learning_rate: 0.01, epochs: 1, batch_size: 64}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    path = tmp_path_factory.mktemp("null") / "tiny.yaml"
    path.write_text(CONFIG)
    return read_config(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificate") / "study"


@pytest.fixture(scope="module")
def report(config: RunConfig, place: Path) -> dict[str, Any]:
    return null_certificate(config, place, reruns=2)


def test_the_real_run_is_counted_as_any_other(place: Path, report: dict[str, Any]) -> None:
    (trial,) = Ledger(place.parent / LEDGER).trials()
    assert (trial.kind, trial.run, trial.symbols) == ("training", place.name, ("SYN01", "SYN02"))
    assert len(trial.returns.values) > 10


def test_every_world_is_rerun_and_the_certificate_stands(report: dict[str, Any], place: Path) -> None:
    assert report["mirrored"]["reruns"] == report["shifted"]["reruns"] == 2
    assert json.loads((place / "certificate.json").read_text())["real"]["auc"] == report["real"]["auc"]
    assert (place / "certificate.png").stat().st_size > 1000
    for world in ("mirrored", "shifted"):
        assert report[world]["auc"]["p_value"] in (1 / 3, 2 / 3, 1.0)
    assert len(sentences(report)) == 4


def test_what_is_done_is_not_done_again(config: RunConfig, place: Path, report: dict[str, Any]) -> None:
    with mock.patch.object(module, "train", side_effect=AssertionError("trained again")):
        assert null_certificate(config, place, reruns=2)["mirrored"] == report["mirrored"]
    with (place / "scores.jsonl").open("a") as file:
        file.write('{"world": "mirr')
    assert len(read_scores(place)) == 5


def test_no_rerun_is_begun_when_time_is_up(config: RunConfig, place: Path, report: dict[str, Any]) -> None:
    with mock.patch.object(module, "train", side_effect=AssertionError("begun")):
        found = null_certificate(config, place, reruns=9, minutes=0.0)
    assert found["mirrored"]["reruns"] == 2


@pytest.mark.slow
def test_reruns_side_by_side_find_the_same(
    config: RunConfig, place: Path, report: dict[str, Any], tmp_path: Path
) -> None:
    together = null_certificate(config, tmp_path / "study", reruns=2, workers=2)
    assert together["mirrored"]["auc"]["p_value"] == report["mirrored"]["auc"]["p_value"]
    one, other = ({(s.world, s.number): s for s in read_scores(folder)} for folder in (place, tmp_path / "study"))
    assert set(one) == set(other)
    for key, score in one.items():
        assert other[key].auc == pytest.approx(score.auc, abs=1e-4)
        assert other[key].gross_r == pytest.approx(score.gross_r, abs=1e-4)


def test_what_another_machine_wrote_elsewhere_is_missed(config: RunConfig, tmp_path: Path) -> None:
    with (
        mock.patch.object(module, "in_parallel"),
        pytest.raises(DataError, match=r"a folder that all machines share, received nothing of real 0"),
    ):
        null_certificate(config, tmp_path / "study", reruns=1, workers=2)


def test_another_experiment_is_refused(config: RunConfig, place: Path, report: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="scores of this experiment"):
        null_certificate(config.model_copy(update={"seed": 6}), place, reruns=2)


def test_a_score_written_twice_counts_once_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    line = json.dumps({"world": "real", "number": 0, "auc": 0.5, "gross_r": 0.0, "taken": 3.0, "seconds": 1.0}) + "\n"
    (tmp_path / "scores.jsonl").write_text(line + line)
    assert len(read_scores(tmp_path)) == 1
    (tmp_path / "scores.jsonl").write_text(line + "nothing\n")
    with pytest.raises(DataError, match=r"scores\.jsonl:2: expected a score"):
        read_scores(tmp_path)


def test_the_p_value_counts_the_real_one() -> None:
    scores = [Score("real", 0, 0.6, 0.1, 10, 1.0)]
    scores += [Score("mirrored", k, 0.5 + 0.01 * k, 0.0, 10, 1.0) for k in range(39)]
    found = certificate(scores)
    assert found["mirrored"]["auc"]["p_value"] == pytest.approx((1 + 29) / 40)
    assert found["mirrored"]["gross_r"]["p_value"] == 1 / 40
    assert found["shifted"]["auc"]["p_value"] == 1.0


def test_shifted_labels_keep_symbols_and_moments_but_no_answer() -> None:
    market = make_market(SyntheticConfig(symbols=2, bars=3000, interval="1h"), 3)
    labels = label(market, LabelsConfig())
    other = shifted(labels, 1)
    for column in ("symbol", "decision_time", "entry_time", "end_time"):
        assert other.samples[column].equals(labels.samples[column])
    assert np.mean(other.outcome_r == labels.outcome_r) < 0.5
    for symbol in market:
        rows = (labels.samples["symbol"] == symbol).to_numpy()
        np.testing.assert_allclose(np.sort(other.outcome_r[rows, 0]), np.sort(labels.outcome_r[rows, 0]))
        np.testing.assert_array_equal(other.samples["net_r"][rows], other.outcome_r[rows, 0])


def test_a_runs_report_shows_where_its_score_lies(
    config: RunConfig, place: Path, report: dict[str, Any], tmp_path: Path
) -> None:
    artifact = run(config, out=tmp_path, certificate=place)
    written = json.loads((artifact / "report.json").read_text())
    assert written["certificate"]["mirrored"] == report["mirrored"]
    assert sentences(report)[0] in (artifact / "report.html").read_text()
    assert (artifact / "plots" / "certificate.png").stat().st_size > 1000
    # The certificate's real score is the score of this very run.
    assert written["test"]["auc"] == pytest.approx(report["real"]["auc"], abs=2e-3)


def test_a_certificate_of_another_experiment_is_refused(
    config: RunConfig, place: Path, report: dict[str, Any], tmp_path: Path
) -> None:
    tree, candles = config.model_dump(mode="json"), report["data"]["fingerprint"]
    with pytest.raises(DataError, match="of this seed"):
        read_certificate(place, tree | {"seed": 6}, candles)
    with pytest.raises(DataError, match="of this market"):
        read_certificate(place, tree, "another")
    with pytest.raises(DataError, match="deepstack certify"):
        read_certificate(tmp_path, tree, candles)
    with pytest.raises(DataError, match="of this seed"):
        run(config.model_copy(update={"seed": 6}), out=tmp_path, certificate=place)
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and path.name != ".running"]
