import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from deepstack.errors import DataError
from deepstack.evaluation.classification import check_probability, decision_scores, probability_scores, ranking_auc


def test_figures_equal_scikit_learn(trades: pd.DataFrame, probability: np.ndarray) -> None:
    won, taken = trades["won"].to_numpy(), probability >= 0.5
    scores = probability_scores(won, probability) | decision_scores(won, taken)
    assert scores["auc"] == pytest.approx(metrics.roc_auc_score(won, probability), abs=1e-12)
    assert scores["log_loss"] == pytest.approx(metrics.log_loss(won, probability), abs=1e-12)
    assert scores["brier"] == pytest.approx(np.mean((probability - won) ** 2), abs=1e-12)
    for name in ("accuracy", "precision", "recall", "f1"):
        assert scores[name] == pytest.approx(getattr(metrics, f"{name}_score")(won, taken), abs=1e-12)
    assert scores["confusion"] == metrics.confusion_matrix(won, taken).tolist()


def test_a_coin_has_closed_forms() -> None:
    won = np.array([True, False] * 50)
    scores = probability_scores(won, np.full(100, 0.5))
    assert scores["auc"] == 0.5
    assert scores["log_loss"] == pytest.approx(np.log(2.0), abs=1e-12)
    assert scores["brier"] == pytest.approx(0.25, abs=1e-12)


def test_what_is_undefined_is_none_not_zero() -> None:
    lost = np.zeros(4, bool)
    assert ranking_auc(lost, np.full(4, 0.3)) is None
    assert probability_scores(lost, np.full(4, 0.3))["log_loss"] == pytest.approx(-np.log(0.7))
    nothing = decision_scores(lost, lost)
    assert (nothing["precision"], nothing["recall"], nothing["f1"]) == (None, None, None)
    assert nothing["accuracy"] == 1.0
    assert nothing["confusion"] == [[4, 0], [0, 0]]
    assert decision_scores(~lost, lost)["f1"] == 0.0


@pytest.mark.parametrize("bad", [[0.1, np.nan], [0.1, 1.2], [-0.1, 0.5], [0.1], [[0.1], [0.2]]])
def test_unusable_probabilities_are_refused(bad: list[float]) -> None:
    with pytest.raises(DataError, match="try"):
        check_probability(np.array(bad), 2)


def test_an_empty_slice_is_refused() -> None:
    with pytest.raises(DataError, match="one or more trades"):
        check_probability(np.empty(0), 0)
