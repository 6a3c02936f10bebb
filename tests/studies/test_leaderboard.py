"""A small leaderboard from configs to the page: resumed, combined, counted, and the same over processes."""

import csv
import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from deepstack.config.folds import FoldsConfig
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError, ConfigError
from deepstack.evaluation.ledger import Ledger, Made
from deepstack.labels.labelled import label
from deepstack.pipeline.market import load_source
from deepstack.pipeline.samples import Slices
from deepstack.studies import fits as fits_module
from deepstack.studies.answers import Store
from deepstack.studies.backends import Backend
from deepstack.studies.leaderboard import leaderboard
from deepstack.studies.page import markdown_lines, summary_lines

CONFIG = """\
name: {name}
seed: 5
data:
  synthetic: {{symbols: 2, bars: 3000, interval: 1h, edge: 1.0}}
features: {{groups: [price], max_features: 8}}
samples: {{window_bars: 4}}
model: {model}
training: {{strategy: none, jit_compile: false, learning_rate: 0.01, epochs: 1, batch_size: 64}}
evaluation: {{bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all, logistic, gradient_boosting]}}
"""
MODELS = {
    "layers": "{name: sequential, options: {layers: 5, width: 8}}",
    "recurrent": "{name: gru, head: binary, options: {units: [4]}}",
    "both": "{name: ensemble, head: binary, options: {other_models: [sequential], rnn_models: [gru], options: "
    "{sequential: {layers: 5, width: 8}, gru: {units: [4]}}}}",
}
FOLDS = FoldsConfig(count=2, first_share=0.5)


def config_of(place: Path, name: str, *overrides: str) -> RunConfig:
    path = place / f"{name}.yaml"
    path.write_text(CONFIG.format(name=name, model=MODELS[name]))
    return read_config(path, overrides)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def found(place: Path) -> dict[str, Any]:
    configs = [config_of(place, name) for name in MODELS]
    return leaderboard(configs, place / "board", folds=FOLDS, seeds=(1, 2))


def test_models_ensembles_and_baselines_stand_on_the_same_samples(found: dict[str, Any]) -> None:
    rows = {row["model"]: row for row in found["board"]}
    assert {row["kind"] for row in rows.values()} == {"network", "ensemble", "baseline"}
    assert set(rows) == {
        *MODELS,
        *("take_all", "logistic", "gradient_boosting"),
        *("ensemble_weighted", "ensemble_stacking", "ensemble_voting"),
    }
    for row in rows.values():
        assert len(row["fits"]) == 4 and len(row["accounts"]) == 2
        assert 0.0 <= row["auc"]["mean"] <= 1.0
    assert rows["take_all"]["auc"]["mean"] == 0.5
    assert rows[found["best_baseline"]]["auc_minus_best_baseline"] is None
    sizes = [one["test"] for one in found["samples"]["fits"] if one["seed"] == 1]
    assert sum(sizes) == found["samples"]["tested"]
    assert [row["auc"]["mean"] for row in found["board"]] == sorted(
        (r["auc"]["mean"] for r in rows.values()), reverse=True
    )


def test_every_strategy_is_counted_once(place: Path, found: dict[str, Any]) -> None:
    trials = Ledger(place / "ledger.jsonl").trials()
    assert found["trials"] == len(trials)
    kinds = {trial.kind for trial in trials}
    assert kinds == {"training", "ensemble", "baseline"}
    made = {trial.name.split()[0]: trial.made for trial in trials}
    dropped = sum(len(fit["dropped_from_ensembles"][0]) for fit in found["samples"]["fits"])
    assert made["layers"] == made["gradient_boosting"] == Made(4, 4)  # two folds, two seeds
    assert made["logistic"] == Made(4 * 5, 4)  # five strengths each
    assert made["both"].trainings == 4 * 2 and made["both"].thresholds == 4 and made["both"].ensembles >= 4
    assert made["take_all"] == Made(0, 4) and made["ensemble_voting"] == Made(0, 4, 4 + dropped)


def test_what_is_fitted_has_not_met_validation(place: Path) -> None:
    config = config_of(place, "layers")
    job = fits_module.Job(config, Store(place / "alone", FOLDS, "0"), (1,))
    source = load_source(config)
    seen = []

    def spy(_: RunConfig, parts: Slices, *rest: Any, **more: Any) -> Any:
        seen.append(parts.split)
        raise KeyboardInterrupt

    with mock.patch.object(fits_module, "train", spy), pytest.raises(KeyboardInterrupt):
        fits_module.fit_job(job, 2, source)
    labels = label(source.market, config.labels)
    whole = fits_module.folds_of(labels.samples, source.market, job)[0]
    assert seen[0].validation_cut < whole.validation_cut
    assert labels.samples["end_time"].iloc[seen[0].train].max() < seen[0].validation_cut
    assert not set(seen[0].validation) & set(whole.validation)


def test_costs_are_each_models_own(found: dict[str, Any]) -> None:
    rows = {row["model"]: row for row in found["board"]}
    assert len({rows[name]["seconds"] for name in ("take_all", "logistic", "gradient_boosting")}) == 3
    networks = sum(rows[name]["parameters"] for name in MODELS)
    assert rows["ensemble_voting"]["parameters"] == networks
    assert rows["ensemble_voting"]["seconds"] > max(rows[name]["seconds"] for name in MODELS)


def test_the_page_the_table_and_the_plot_stand(place: Path, found: dict[str, Any]) -> None:
    assert json.loads((place / "board" / "leaderboard.json").read_text())["best_baseline"] == found["best_baseline"]
    rows = list(csv.DictReader((place / "board" / "leaderboard.csv").open()))
    assert [row["model"] for row in rows] == [row["model"] for row in found["board"]]
    assert float(rows[0]["auc"]) == found["board"][0]["auc"]["mean"]
    page = (place / "board" / "leaderboard.html").read_text()
    assert "ensemble stacking (ensemble)" in page and "data:image/png" in page
    assert (place / "board" / "plots" / "leaderboard.png").stat().st_size > 1000
    assert len(markdown_lines(found)) == len(found["board"]) + 2
    assert any("Reality check" in line for line in summary_lines(found))


def test_what_is_fitted_is_not_fitted_again(place: Path, found: dict[str, Any]) -> None:
    configs = [config_of(place, name) for name in MODELS]
    with mock.patch.object(fits_module, "train", side_effect=AssertionError("trained again")):
        again = leaderboard(configs, place / "board", folds=FOLDS, seeds=(1, 2))
    assert again["board"] == found["board"]
    (one,) = (place / "board" / "fits").glob("layers-fold0-seed1-*.npz")
    one.unlink()
    with mock.patch.object(fits_module, "train", wraps=fits_module.train) as train:
        again = leaderboard(configs, place / "board", folds=FOLDS, seeds=(1, 2))
    assert train.call_count == 1
    scores = {row["model"]: row["auc"] for row in again["board"]}
    assert scores == {row["model"]: row["auc"] for row in found["board"]}


def test_a_damaged_fit_is_named_before_any_work(place: Path, found: dict[str, Any]) -> None:
    (one,) = (place / "board" / "fits").glob("layers-fold1-seed2-*.npz")
    whole = one.read_bytes()
    for damaged in (whole[:100], b""):
        one.write_bytes(damaged)
        with (
            mock.patch.object(fits_module, "train", side_effect=AssertionError("trained")),
            pytest.raises(ArtifactError, match=f"{one.name}: expected a finished fit"),
        ):
            leaderboard([config_of(place, name) for name in MODELS], place / "board", folds=FOLDS, seeds=(1, 2))
    one.write_bytes(whole)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "dask", "ray"])
def test_two_processes_find_the_same(
    backend: Backend, place: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    configs = [config_of(place, name) for name in MODELS]
    beside = leaderboard(configs, place / f"by_{backend}", folds=FOLDS, seeds=(1,), workers=2, backend=backend)
    for row in beside["board"]:
        alone = next(one for one in found["board"] if one["model"] == row["model"])
        ours = [one["auc"] for one in row["fits"]]
        np.testing.assert_allclose(ours, [one["auc"] for one in alone["fits"] if one["seed"] == 1], atol=1e-6)


def test_combinations_give_every_path_an_account(place: Path) -> None:
    folds = FoldsConfig(scheme="combinatorial", groups=4, test_groups=2)
    config = config_of(place, "layers")
    found = leaderboard([config], place / "combinations", folds=folds)
    for row in found["board"]:
        assert len(row["fits"]) == 6 and len(row["accounts"]) == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["labels.target_r=3.0"], "recurrent: labels.target_r: expected 1.5, as layers, received 3.0"),
        (["name=layers"], "name: expected another name a model, received 'layers'"),
        (["name=logistic"], "received 'logistic'"),
        (["evaluation.baselines=[]"], "evaluation.baselines: expected one or more"),
    ],
)
def test_models_that_do_not_belong_together_are_refused(place: Path, overrides: list[str], message: str) -> None:
    configs = [config_of(place, "layers"), config_of(place, "recurrent", *overrides)]
    configs = configs[::-1] if "baselines" in overrides[0] else configs
    with pytest.raises(ConfigError, match=message):
        leaderboard(configs, place / "never", folds=FOLDS)
