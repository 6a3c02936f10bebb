import pytest

from deepstack.evaluation.significance import Difference
from deepstack.evaluation.verdict import verdict

NOTHING = Difference(None, None, None)
EARNS = Difference(0.12, [0.02, 0.22], 0.01)


@pytest.mark.parametrize(
    ("auc", "claim"),
    [
        (Difference(0.03, [0.01, 0.05], 0.004), "is better than the best baseline (gradient boosting)"),
        (Difference(-0.03, [-0.05, -0.01], 0.004), "is worse than the best baseline (gradient boosting)"),
        (Difference(0.01, [-0.01, 0.03], 0.3), "is not shown to be better than the best baseline (gradient boosting)"),
        (Difference(0.01, None, None), "cannot be said"),
    ],
)
def test_the_claim_follows_the_interval(auc: Difference, claim: str) -> None:
    sentence = verdict("gradient_boosting", auc, (0.63, 0.60), EARNS)
    assert claim in sentence
    assert "AUC 0.630 against 0.600" in sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_the_interval_is_in_the_sentence() -> None:
    sentence = verdict("logistic", Difference(0.03, [0.01, 0.05], 0.004), (0.63, 0.60), EARNS)
    assert "difference +0.030, 95 % interval [+0.010, +0.050]" in sentence
    assert "earn more than taking all: +0.120 R a trade, 95 % interval [+0.020, +0.220]" in sentence


def test_what_cannot_be_said_is_not_said() -> None:
    assert "one class only; it takes no trade." in verdict("logistic", NOTHING, (None, None), NOTHING)
    unsure = verdict("logistic", NOTHING, (None, None), Difference(0.1, [-0.1, 0.3], 0.4))
    assert "not shown to earn more" in unsure
    assert "earn less" in verdict("logistic", NOTHING, (None, None), Difference(-0.2, [-0.3, -0.1], 0.01))
