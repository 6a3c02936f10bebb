"""Class figures against scikit-learn, and the trades of a direction against a hand-computed result."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from deepstack.candles.market import Candles, Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.config.labels import HorizonsConfig, LabelsConfig
from deepstack.errors import DataError
from deepstack.evaluation.moves import (
    class_log_losses,
    class_scores,
    conviction,
    evaluate_moves,
    macro_auc_of,
    mean_class_auc,
    trades_of,
)
from deepstack.labels.horizons import label_horizons
from deepstack.labels.trades import TRADE_COLUMNS

CONFIG = EvaluationConfig(bootstrap_resamples=100)
LABELS = LabelsConfig(kind="horizons", horizons=HorizonsConfig(lengths=("1h", "4h"), volatility_bars=10))
SURE = np.eye(3)


@pytest.fixture(scope="module")
def asked(market: Market) -> pd.DataFrame:
    return label_horizons(market, LABELS.horizons)[0].iloc[:900].reset_index(drop=True)


def guesses(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Probabilities that know something of the answer."""
    random = np.random.default_rng(seed)
    raised = np.exp(random.normal(size=(len(codes), 3)) + 0.8 * SURE[codes])
    return raised / raised.sum(axis=1, keepdims=True)


def test_class_figures_are_scikit_learns() -> None:
    codes = np.random.default_rng(0).choice(3, 500, p=[0.2, 0.5, 0.3])
    probability = guesses(codes)
    answer = probability.argmax(axis=1)
    figures = class_scores(codes, probability)
    expected = {
        "auc": metrics.roc_auc_score(codes, probability, multi_class="ovr", average="macro"),
        "log_loss": metrics.log_loss(codes, probability),
        "accuracy": metrics.accuracy_score(codes, answer),
        "precision": metrics.precision_score(codes, answer, average="macro"),
        "recall": metrics.recall_score(codes, answer, average="macro"),
        "f1": metrics.f1_score(codes, answer, average="macro"),
        "brier": sum(metrics.brier_score_loss(codes == k, probability[:, k]) for k in range(3)),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert figures["confusion"] == metrics.confusion_matrix(codes, answer).tolist()
    assert class_log_losses(codes, probability).mean() == pytest.approx(expected["log_loss"])
    both = np.column_stack([codes, codes])
    assert mean_class_auc(both, np.stack([probability, SURE[codes]], axis=1)) == pytest.approx(
        (expected["auc"] + 1) / 2
    )


def test_resampled_auc_is_that_of_the_repeated_samples() -> None:
    codes = np.random.default_rng(0).choice(3, 200)
    probability, counts = np.round(guesses(codes), 1), np.random.default_rng(1).integers(0, 3, (4, 200))
    expected = [
        np.mean([metrics.roc_auc_score(codes == k, probability[:, k], sample_weight=row) for k in range(3)])
        for row in counts
    ]
    np.testing.assert_allclose(macro_auc_of(codes, probability)(counts), expected)


def test_a_class_that_never_occurs_leaves_the_auc_open() -> None:
    codes = np.array([0, 1, 0, 1])
    probability = guesses(codes)
    assert class_scores(codes, probability)["auc"] is None
    assert mean_class_auc(codes[:, None], probability[:, None]) is None


def test_trades_follow_the_likelier_direction_and_pay_for_both_sides(asked: pd.DataFrame) -> None:
    probability = guesses(asked["class_4h"].to_numpy())
    trades = trades_of(asked, "4h", probability, LABELS)
    assert list(trades.columns) == list(TRADE_COLUMNS)
    side = np.where(probability[:, 2] > probability[:, 0], 1, -1)
    np.testing.assert_array_equal(trades["side"], side)
    entry, left = asked["entry_price"], asked["exit_price_4h"]
    earned = side * (left - entry) - 7e-4 * (entry + left)  # fee 5 and slippage 2 basis points of each price traded
    np.testing.assert_allclose(trades["net_r"] * entry * asked["risk_4h"], earned)
    pd.testing.assert_series_equal(trades["end_time"], asked["end_4h"], check_names=False)
    np.testing.assert_allclose(conviction(probability), np.abs(probability[:, 2] - probability[:, 0]))


def test_sure_predictions_earn_what_a_hand_computes() -> None:
    """Two decisions on three bars: a long over +2 % and a short over −1 %, each with a risk of 2 %."""
    times = pd.date_range("2024-01-01 01:00", periods=5, freq="h", tz="UTC", name="close_time").as_unit("ms")
    close = np.array([100.0, 102.0, 102.0, 100.98, 100.98])
    frame = pd.DataFrame({"open": np.r_[100.0, close[:-1]], "high": close, "low": close, "close": close}, index=times)
    market = {"AAA": Candles("AAA", pd.Timedelta("1h"), frame.assign(volume=1.0))}
    samples = pd.DataFrame(
        {
            "symbol": "AAA",
            "decision_time": times[[0, 2, 3]],
            "entry_time": times[[0, 2, 3]],
            "entry_price": [100.0, 102.0, 100.98],
            "end_1h": times[[1, 3, 4]],
            "exit_price_1h": [102.0, 100.98, 100.98],
            "risk_1h": 0.02,
        }
    )
    probability = SURE[[2, 0, 1]]
    trades = trades_of(samples, "1h", probability, LABELS)
    costs = [7e-4 * (100.0 + 102.0) / 2.0, 7e-4 * (102.0 + 100.98) / 2.04]
    by_hand = [2.0 / 2.0 - costs[0], 1.02 / 2.04 - costs[1]]
    np.testing.assert_allclose(trades["net_r"][:2], by_hand)
    block, _ = evaluate_moves(np.array([2, 0, 1]), probability, trades, 0.5, market, CONFIG, seed=1)
    assert (block["trades_taken"], block["win_rate"], block["accuracy"], block["auc"]) == (2, 1.0, 1.0, 1.0)
    assert block["coverage"] == pytest.approx(2 / 3)
    assert block["expectancy_r"] == pytest.approx(np.mean(by_hand))
    assert 1.0 + block["total_return"] == pytest.approx((1.0 + 0.01 * by_hand[0]) * (1.0 + 0.01 * by_hand[1]))


def test_perfect_foresight_beats_its_mirror_image(asked: pd.DataFrame, market: Market) -> None:
    codes = asked["class_1h"].to_numpy()
    blocks = []
    for probability in (SURE[codes], SURE[2 - codes]):
        trades = trades_of(asked, "1h", probability, LABELS)
        blocks.append(evaluate_moves(codes, probability, trades, 0.5, market, CONFIG, seed=1)[0])
    seer, fool = blocks
    taken = codes != 1
    assert seer["trades_taken"] == fool["trades_taken"] == taken.sum()
    assert seer["auc"] == 1.0
    assert fool["accuracy"] == pytest.approx((~taken).mean())
    assert fool["expectancy_r"] < 0.0 < seer["expectancy_r"]
    # Both pay the same: their results differ by twice the moves.
    moves = np.abs(asked["exit_price_1h"] / asked["entry_price"] - 1.0) / asked["risk_1h"]
    assert seer["expectancy_r"] - fool["expectancy_r"] == pytest.approx(2.0 * moves[taken].mean())


@pytest.mark.parametrize(
    "probability",
    [np.full((3, 3), 0.2), np.full((2, 3), 1 / 3), np.full((3, 3), np.nan), np.array([[1.5, -0.5, 0.0]] * 3)],
)
def test_what_are_no_probabilities_is_refused(probability: np.ndarray, asked: pd.DataFrame, market: Market) -> None:
    trades = trades_of(asked.iloc[:3], "1h", SURE, LABELS)
    with pytest.raises(DataError, match="3 rows of probabilities that sum to 1"):
        evaluate_moves(np.array([0, 1, 2]), probability, trades, 0.0, market, CONFIG, seed=1)
