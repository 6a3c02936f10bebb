import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.evaluation.predictions import evaluate_predictions

REAL = Path(__file__).resolve().parents[2] / "../shared/data"
CONFIG = EvaluationConfig(bootstrap_resamples=200)
KEYS = [
    "auc",
    "auc_ci95",
    "log_loss",
    "brier",
    "ece",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "confusion",
    "trades",
    "base_win_rate",
    "coverage",
    "win_rate",
    "win_rate_ci95",
    "expectancy_r",
    "profit_factor",
    "sharpe",
    "sortino",
    "max_drawdown",
]


def test_the_block_has_every_key_and_plain_finite_values(
    trades: pd.DataFrame, probability: np.ndarray, market: Market
) -> None:
    block, _ = evaluate_predictions(trades, probability, 0.5, market, CONFIG, seed=1)
    assert set(KEYS) <= set(block)
    json.dumps(block, allow_nan=False)
    assert block["auc"] == pytest.approx(roc_auc_score(trades["won"], probability))
    assert block["auc_ci95"][0] < block["auc"] < block["auc_ci95"][1]
    assert block["win_rate_ci95"][0] < block["win_rate"] < block["win_rate_ci95"][1]
    assert block["precision"] == block["win_rate"]
    assert block["confusion"][0][1] + block["confusion"][1][1] == block["trades_taken"]


def test_the_same_seed_gives_the_same_block(trades: pd.DataFrame, probability: np.ndarray, market: Market) -> None:
    first, second, other = (
        evaluate_predictions(trades, probability, 0.5, market, CONFIG, seed=s)[0] for s in (1, 1, 2)
    )
    assert first == second
    assert first["auc_ci95"] != other["auc_ci95"]


def test_taking_nothing_leaves_figures_undefined(trades: pd.DataFrame, probability: np.ndarray, market: Market) -> None:
    block, _ = evaluate_predictions(trades, probability, 1.0, market, CONFIG, seed=1)
    undefined = [
        "win_rate",
        "win_rate_ci95",
        "expectancy_r",
        "expectancy_r_ci95",
        "profit_factor",
        "sharpe",
        "sortino",
        "precision",
    ]
    assert {block[name] for name in undefined} == {None}
    assert (block["coverage"], block["max_drawdown"], block["recall"]) == (0.0, 0.0, 0.0)
    assert block["auc"] is not None


def test_one_class_has_no_ranking(trades: pd.DataFrame, probability: np.ndarray, market: Market) -> None:
    lost = trades.assign(won=False)
    block, _ = evaluate_predictions(lost, probability, 0.5, market, CONFIG, seed=1)
    assert (block["auc"], block["auc_ci95"], block["recall"]) == (None, None, None)
    assert block["base_win_rate"] == 0.0


def test_breakouts_on_real_candles() -> None:
    source = REAL / "xasset10_spot_1d_to_2025-06.csv.gz"
    if not source.exists():
        pytest.skip(f"no real candles at {source}")
    from deepstack.candles.load import read_market
    from deepstack.config.labels import LabelsConfig
    from deepstack.labels.breakout import label_breakouts

    market, _ = read_market([source], repair="drop", symbols=("BTCUSDT", "ETHUSDT"))
    trades = label_breakouts(market, LabelsConfig(max_holding_bars=10))
    block, _ = evaluate_predictions(trades, np.full(len(trades), 0.4), 0.0, market, CONFIG, seed=1)
    assert block["auc"] == 0.5
    assert block["coverage"] == 1.0
    assert block["expectancy_r"] == pytest.approx(trades["net_r"].mean())
