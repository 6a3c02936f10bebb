"""What a search's page says of its winner."""

from typing import Any

import pytest

from deepstack.tuning.page import winner_sentences


def found(auc: float, score: float, objective: str = "auc") -> dict[str, Any]:
    block = {"auc": auc, "auc_ci95": [auc - 0.03, auc + 0.01], "log_loss": 0.69, "expectancy_r": 0.1}
    block |= {"trades_taken": 50, "sharpe": 1.0, "deflated_sharpe": 0.2, "trials": 12}
    best = {"score": score, "trial": "03"}
    counts = {"states": {"complete": 12, "pruned": 0, "failed": 0}, "trials": 12, "asked": 12}
    return {"best": best, "winner": {"won": block}, "objective": objective, **counts}


@pytest.mark.parametrize(
    ("auc", "score", "said"),
    [(0.51, 0.56, ("lies inside", "0.5600, outside")), (0.55, 0.51, ("lies outside", "0.5100, inside"))],
)
def test_the_winner_is_held_against_what_no_edge_would_give(auc: float, score: float, said: tuple[str, str]) -> None:
    sentence = winner_sentences(found(auc, score))[-1]
    assert "[0.4800, 0.5200]" in sentence and all(part in sentence for part in said)


def test_a_score_of_another_kind_is_not_held_against_it() -> None:
    assert winner_sentences(found(0.51, -0.69, "log_loss"))[-1].endswith("this one lies inside.")
