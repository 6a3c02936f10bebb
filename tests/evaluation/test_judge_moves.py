"""Each horizon is judged by itself, by one rule for all models, and chosen on validation alone."""

import json

import numpy as np
import pytest

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.config.labels import HorizonsConfig, LabelsConfig
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.judge_moves import Asked, HorizonJudgement, judge_moves, report_of
from deepstack.evaluation.moves import class_scores, trades_of
from deepstack.evaluation.report import json_ready
from deepstack.evaluation.verdict import short_verdict, verdict
from deepstack.labels.horizons import label_horizons

CONFIG = EvaluationConfig(bootstrap_resamples=100)
HORIZONS = ("1h", "4h")
LABELS = LabelsConfig(kind="horizons", horizons=HorizonsConfig(lengths=HORIZONS, volatility_bars=10))


@pytest.fixture(scope="module")
def both(market: Market) -> tuple[Asked, Asked]:
    """A slice for validation and one for test."""
    samples = label_horizons(market, LABELS.horizons)[0]
    parts = samples.iloc[:600], samples.iloc[1000:1600]
    return tuple(  # type: ignore[return-value]
        Asked(part.reset_index(drop=True), part[[f"class_{h}" for h in HORIZONS]].to_numpy()) for part in parts
    )


def guess(codes: np.ndarray, strength: float, seed: int) -> np.ndarray:
    raised = np.exp(np.random.default_rng(seed).normal(size=(len(codes), 3)) + strength * np.eye(3)[codes])
    return raised / raised.sum(axis=1, keepdims=True)


def predictions(both: tuple[Asked, Asked], horizon: int, seed: int, *strengths: float) -> Predictions:
    """Probabilities that know something of the answers: so much on validation, so much on test."""
    slices = (asked.codes[:, horizon] for asked in both)
    return Predictions(*(guess(codes, s, seed + i) for i, (codes, s) in enumerate(zip(slices, strengths, strict=True))))


def models(both: tuple[Asked, Asked]) -> dict[str, dict[str, Predictions]]:
    return {
        name: {
            "network": predictions(both, k, 10, 1.0, 1.5 - k),
            "logistic": predictions(both, k, 20, 0.6, 0.0),
            "random_forest": predictions(both, k, 30, 0.2, 0.9),
        }
        for k, name in enumerate(HORIZONS)
    }


def judged_on(both: tuple[Asked, Asked], market: Market, given: dict) -> dict[str, HorizonJudgement]:
    return judge_moves(given, *both, market, CONFIG, LABELS, seed=5)


@pytest.fixture(scope="module")
def judged(both: tuple[Asked, Asked], market: Market) -> dict[str, HorizonJudgement]:
    return judged_on(both, market, models(both))


def test_the_best_baseline_is_chosen_on_validation_though_another_wins_on_test(
    judged: dict[str, HorizonJudgement],
) -> None:
    for one in judged.values():
        assert one.blocks["random_forest"]["auc"] > one.blocks["logistic"]["auc"]
        assert one.best_baseline == "logistic"
    assert short_verdict(judged["1h"].findings).startswith("better than the best baseline on validation (logistic)")


def test_each_horizon_has_its_own_answers(judged: dict[str, HorizonJudgement], both: tuple[Asked, Asked]) -> None:
    test = both[1]
    for k, (name, one) in enumerate(judged.items()):
        given = models(both)[name]["network"].test
        scores = class_scores(test.codes[:, k], given)
        assert {key: one.blocks["network"][key] for key in scores} == scores
        taken = one.thresholds["network"].take(np.abs(given[:, 2] - given[:, 0]))
        net_r = trades_of(test.samples, name, given, LABELS)["net_r"]
        assert one.blocks["network"]["expectancy_r"] == pytest.approx(net_r[taken].mean())
    assert judged["1h"].blocks["network"]["auc"] > judged["4h"].blocks["network"]["auc"] + 0.05


def test_the_test_slice_moves_neither_thresholds_nor_the_choice(
    judged: dict[str, HorizonJudgement], both: tuple[Asked, Asked], market: Market
) -> None:
    validation, test = both
    flipped = Asked(test.samples, 2 - test.codes)
    again = judged_on((validation, flipped), market, models(both))
    for name, one in judged.items():
        assert again[name].thresholds == one.thresholds
        assert again[name].best_baseline == one.best_baseline
        assert again[name].findings != one.findings


def test_a_threshold_respects_the_floor_on_coverage(judged: dict[str, HorizonJudgement]) -> None:
    for one in judged.values():
        for threshold in one.thresholds.values():
            assert threshold.coverage >= CONFIG.min_coverage
            assert 0.0 <= threshold.value <= 1.0


def test_the_report_names_each_horizon_and_is_strict_json(judged: dict[str, HorizonJudgement]) -> None:
    report = report_of(judged)
    text = json.loads(json.dumps(json_ready(report), allow_nan=False))
    assert set(text) == {"verdict", "threshold", "test", "baselines", "comparison"}
    assert set(text["test"]) == set(text["threshold"]) == set(text["comparison"]) == {"h1h", "h4h"}
    assert set(text["baselines"]) == {"logistic", "random_forest"}
    assert text["threshold"]["h4h"] == text["test"]["h4h"]["threshold"]
    assert text["comparison"]["h1h"]["against_best"]["auc"]["ci95"][0] > 0.0
    summary, first, second = text["verdict"].splitlines()
    assert summary.startswith("The network is better than the best baseline on 2 of 2 horizons; shown to earn")
    assert first.startswith("1h: better than") and second.startswith("4h: ")
    assert all(len(line.split()) <= 32 for line in (summary, first, second))


def test_a_network_that_is_its_baseline_is_not_better(both: tuple[Asked, Asked], market: Market) -> None:
    same = {name: {"network": of["logistic"], "logistic": of["logistic"]} for name, of in models(both).items()}
    for one in judged_on(both, market, same).values():
        assert one.comparison["against_best"]["auc"]["estimate"] == 0.0
        assert one.comparison["against_best"]["log_loss"]["ci95"] == [0.0, 0.0]
        assert "not shown to be better than" in verdict(one.findings)


def test_without_baselines_nothing_is_claimed(both: tuple[Asked, Asked], market: Market) -> None:
    alone = {name: {"network": of["network"]} for name, of in models(both).items()}
    seen: list[tuple] = []
    judged = judge_moves(alone, *both, market, CONFIG, LABELS, seed=5, progress=lambda *told: seen.append(told))
    assert all(one.best_baseline is None for one in judged.values())
    assert "No baseline was fitted" in report_of(judged)["verdict"]
    assert report_of(judged)["baselines"] == {}
    assert [told[1:3] for told in seen] == [(0, 2), (1, 2), (2, 2)]
