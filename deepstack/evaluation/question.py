"""What the two kinds of labels ask for, side by side: strength of a decision, figures of a ranking, trades."""

from typing import Any

import numpy as np
import pandas as pd

from deepstack.config.evaluation import EvaluationConfig
from deepstack.config.labels import LabelsConfig
from deepstack.evaluation.calibration import expected_calibration_error
from deepstack.evaluation.classification import probability_scores
from deepstack.evaluation.moves import class_scores, conviction, macro_auc_of, risk_a_trade, trades_of
from deepstack.evaluation.significance import Statistic, auc_of


def strength(probability: np.ndarray) -> np.ndarray:
    """What a threshold is compared with: P(won), or |P(buy) − P(sell)|; float64 [samples].

    Args:
        probability: float64 [samples, classes].
    """
    return probability[:, 1] if probability.shape[1] == 2 else conviction(probability)


def ranking(codes: np.ndarray, probability: np.ndarray) -> Statistic:
    """Statistic: the AUC of winning, or the mean over classes of each against the others."""
    if probability.shape[1] == 2:
        return auc_of(codes == 1, probability[:, 1])
    return macro_auc_of(codes, probability)


def scores(codes: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Figures of class probabilities, `auc log_loss brier ece` among them; None where undefined."""
    if probability.shape[1] == 2:
        won = codes == 1
        return probability_scores(won, probability[:, 1]) | {"ece": expected_calibration_error(won, probability[:, 1])}
    return class_scores(codes, probability)


def trades_for(samples: pd.DataFrame, output: str, probability: np.ndarray, config: LabelsConfig) -> pd.DataFrame:
    """The trade each sample stands for, a frame of TRADE_COLUMNS: the breakout itself, or the likelier direction."""
    return samples if config.kind == "breakout" else trades_of(samples, output, probability, config)


def risk_share_of(trades: pd.DataFrame, config: EvaluationConfig, labels: LabelsConfig) -> float:
    """Share of equity risked on each trade."""
    return config.risk_share if labels.kind == "breakout" else risk_a_trade(trades, config)
