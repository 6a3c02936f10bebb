"""How well probabilities and decisions separate winners from losers: scikit-learn's figures, null where undefined."""

import numpy as np
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, log_loss, roc_auc_score

from deepstack.errors import DataError


def check_probability(probability: np.ndarray, rows: int) -> np.ndarray:
    """The probabilities as float64 [rows].

    Raises:
        DataError: another shape, a value that is not finite or outside [0, 1], or no rows at all.
    """
    values = np.asarray(probability, dtype=np.float64)
    if rows == 0 or values.shape != (rows,):
        raise DataError(
            "evaluation",
            expected="one probability for each of one or more trades",
            received=f"{values.shape} probabilities for {rows} trades",
            remedy="predict every trade of the slice once, and use a slice that holds trades",
        )
    wrong = np.flatnonzero(~((values >= 0.0) & (values <= 1.0)))
    if wrong.size:
        raise DataError(
            f"evaluation, trade {wrong[0]}",
            expected="a probability between 0 and 1",
            received=f"{values[wrong[0]]} ({wrong.size} such)",
            remedy="pass probabilities, not logits, and look for NaN in the features",
        )
    return values


def ranking_auc(won: np.ndarray, probability: np.ndarray) -> float | None:
    """Area under the ROC curve; None when only one class is present."""
    return float(roc_auc_score(won, probability)) if 0 < np.count_nonzero(won) < len(won) else None


def probability_scores(won: np.ndarray, probability: np.ndarray) -> dict[str, float | None]:
    """Figures of the probabilities alone, whatever the threshold.

    Args:
        won: bool [trades].
        probability: float64 [trades], probability of winning.

    Returns:
        `auc` (None with one class), `log_loss` in nats, `brier` (mean squared error of the probability).
    """
    return {
        "auc": ranking_auc(won, probability),
        "log_loss": float(log_loss(won, probability, labels=[False, True])),
        "brier": float(brier_score_loss(won, probability, labels=[False, True], pos_label=True)),
    }


def decision_scores(won: np.ndarray, taken: np.ndarray) -> dict[str, float | list[list[int]] | None]:
    """Figures of the decisions, where taking a trade counts as predicting that it wins.

    Args:
        won: bool [trades].
        taken: bool [trades].

    Returns:
        `accuracy`; `precision`, None when nothing is taken; `recall`, None when nothing won; `f1`, None when nothing
        is taken and nothing won; `confusion`, counts with rows lost, won and columns left, taken.
    """
    matrix = confusion_matrix(won, taken, labels=[False, True])
    (_, false_taken), (missed, hits) = matrix.tolist()
    return {
        "accuracy": float(accuracy_score(won, taken)),
        "precision": ratio(hits, hits + false_taken),
        "recall": ratio(hits, hits + missed),
        "f1": ratio(2 * hits, 2 * hits + false_taken + missed),
        "confusion": matrix.tolist(),
    }


def ratio(numerator: float, denominator: float) -> float | None:
    """The quotient; None, an undefined figure, when the denominator is 0."""
    return float(numerator / denominator) if denominator else None
