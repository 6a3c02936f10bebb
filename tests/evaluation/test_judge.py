import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.figures import report_figures
from deepstack.evaluation.judge import Judgement, best_on_validation, judge
from deepstack.evaluation.report import json_ready

CONFIG = EvaluationConfig(bootstrap_resamples=200)
Guess = Callable[..., np.ndarray]


def slices(trades: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return trades.iloc[:300].reset_index(drop=True), trades.iloc[300:].reset_index(drop=True)


def predictions(trades: pd.DataFrame, guess: Guess, seed: int, on_validation: float, on_test: float) -> Predictions:
    validation, test = slices(trades)
    return Predictions(guess(validation, seed, on_validation), guess(test, seed + 50, on_test))


@pytest.fixture(scope="module")
def judged(trades: pd.DataFrame, market: Market, guess: Guess) -> Judgement:
    validation, test = slices(trades)
    baselines = {
        "take_all": Predictions(np.full(300, 0.4), np.full(300, 0.4)),
        "logistic": predictions(trades, guess, 1, 0.10, 0.0),
        "random_forest": predictions(trades, guess, 2, 0.02, 0.3),
    }
    return judge(predictions(trades, guess, 3, 0.2, 0.2), baselines, validation, test, market, CONFIG, seed=5)


def test_the_best_baseline_is_chosen_on_validation_though_another_wins_on_test(judged: Judgement) -> None:
    baselines = judged.report["baselines"]
    assert baselines["random_forest"]["auc"] > baselines["logistic"]["auc"]
    assert judged.best_baseline == "logistic"
    assert "best baseline on validation (logistic)" in judged.report["verdict"]


def test_every_model_has_its_own_threshold_from_validation(judged: Judgement, trades: pd.DataFrame) -> None:
    assert set(judged.thresholds) == {"network", "take_all", "logistic", "random_forest"}
    assert judged.report["threshold"] == judged.thresholds["network"].value == judged.report["test"]["threshold"]
    everything = judged.report["baselines"]["take_all"]
    assert (everything["coverage"], everything["auc"]) == (1.0, 0.5)
    assert everything["expectancy_r"] == pytest.approx(trades["net_r"].iloc[300:].mean())
    assert everything["win_rate"] == everything["base_win_rate"]


def test_the_test_slice_does_not_move_the_thresholds(trades: pd.DataFrame, market: Market, guess: Guess) -> None:
    validation, test = slices(trades)
    network = predictions(trades, guess, 3, 0.2, 0.2)
    flipped = test.assign(won=~test["won"], net_r=-test["net_r"])
    first, second = (judge(network, {}, validation, part, market, CONFIG, seed=5) for part in (test, flipped))
    assert first.thresholds == second.thresholds


def test_the_report_is_strict_json_and_deterministic(
    judged: Judgement, trades: pd.DataFrame, market: Market, guess: Guess
) -> None:
    text = json.dumps(json_ready(judged.report), allow_nan=False)
    assert json.loads(text)["comparison"]["against_best"]["auc"]["ci95"][0] > 0.0
    assert judged.report["verdict"].startswith("The network is better than")


def test_figures_follow_from_the_judgement(trades: pd.DataFrame, market: Market, guess: Guess) -> None:
    validation, test = slices(trades)
    network, baselines = predictions(trades, guess, 3, 0.2, 0.2), {"logistic": predictions(trades, guess, 1, 0.1, 0.0)}
    judgement = judge(network, baselines, validation, test, market, CONFIG, seed=5)
    given = (judgement, network, baselines, test, market, CONFIG)
    assert list(report_figures(*given, seed=5)) == ["equity", "coverage", "calibration"]
    history = pd.DataFrame({"loss": [0.7, 0.6], "val_loss": [0.7, 0.65]})
    complete = report_figures(*given, seed=5, history=history, importance={"price": 0.1})
    assert list(complete) == ["equity", "coverage", "calibration", "loss", "importance"]


def test_without_baselines_nothing_is_claimed(trades: pd.DataFrame, market: Market, guess: Guess) -> None:
    validation, test = slices(trades)
    alone = judge(predictions(trades, guess, 3, 0.2, 0.2), {}, validation, test, market, CONFIG, seed=5)
    assert alone.best_baseline is None
    assert "No baseline was fitted" in alone.report["verdict"]


def test_equal_scores_prefer_the_earlier() -> None:
    won = np.array([True, False])
    constant = Predictions(np.full(2, 0.5), np.full(2, 0.5))
    assert best_on_validation({"take_all": constant, "logistic": constant}, won) == "take_all"
