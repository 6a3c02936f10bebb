from dataclasses import replace

import pytest

from deepstack.evaluation.significance import Difference
from deepstack.evaluation.verdict import UNKNOWN, Findings, short_verdict, summary, verdict

BETTER = Difference(0.03, [0.01, 0.05], 0.004)
MORE = Difference(0.12, [0.02, 0.22], 0.01)
GOOD = Findings("gradient_boosting", BETTER, (0.63, 0.60), 0.08, [0.01, 0.15], MORE)
LOSING = replace(GOOD, own_r=-0.74, own_ci95=[-0.8, -0.68], more_than_all=Difference(0.984, [0.9, 1.1], 0.001))


@pytest.mark.parametrize(
    ("auc", "claim"),
    [
        (BETTER, "is better than the best baseline on validation (gradient boosting)"),
        (Difference(-0.03, [-0.05, -0.01], 0.004), "is worse than the best baseline on validation (gradient boosting)"),
        (
            Difference(0.01, [-0.01, 0.03], 0.3),
            "is not shown to be better than the best baseline on validation (gradient boosting)",
        ),
        (Difference(0.01, None, None), "cannot be said"),
    ],
)
def test_the_claim_follows_the_interval(auc: Difference, claim: str) -> None:
    sentence = verdict(replace(GOOD, auc=auc))
    assert claim in sentence
    assert "AUC 0.630 against 0.600" in sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_the_intervals_are_in_the_sentence() -> None:
    sentence = verdict(GOOD)
    assert "difference +0.030, 95 % interval [+0.010, +0.050]" in sentence
    assert "after costs the trades it takes earn 0.080 R each, 95 % interval [+0.010, +0.150]" in sentence
    assert "better than taking all: difference +0.120 R a trade, 95 % interval [+0.020, +0.220]" in sentence


@pytest.mark.parametrize("say", [verdict, short_verdict])
def test_trades_that_lose_are_not_said_to_earn(say: object) -> None:
    assert callable(say)
    sentence = say(LOSING)
    assert "earn" not in sentence
    assert "0.740 R" in sentence and "[-0.800, -0.680]" in sentence


def test_a_gain_that_may_be_chance_is_not_said_to_be_one() -> None:
    unsure = replace(GOOD, own_ci95=[-0.1, 0.26], more_than_all=Difference(0.1, [-0.1, 0.3], 0.4))
    assert "are not shown to earn: +0.080 R each, 95 % interval [-0.100, +0.260], not shown to be" in verdict(unsure)
    assert "it is not shown to earn: +0.080 R a trade [-0.100, +0.260]." in short_verdict(unsure)


def test_what_cannot_be_said_is_not_said() -> None:
    nothing = Findings("logistic", UNKNOWN, (None, None), None, None, UNKNOWN)
    assert "one class only; it takes no trade." in verdict(nothing)
    assert "one class only; it takes no trade." in short_verdict(nothing)
    assert verdict(replace(LOSING, baseline=None)).startswith("No baseline was fitted")


def test_taking_all_ranks_by_chance_and_is_no_best_baseline() -> None:
    chance = replace(GOOD, baseline="take_all", auc_of_both=(0.63, 0.5))
    for sentence in (verdict(chance), short_verdict(chance), summary([chance, chance])):
        assert "better than chance ranking" in sentence and "best baseline" not in sentence


def test_several_horizons_have_a_summary_and_short_lines() -> None:
    assert summary([GOOD, LOSING, LOSING]) == (
        "The network is better than the best baseline on 3 of 3 horizons; "
        "shown to earn after costs on 1 of 3 (95 % intervals in brackets)."
    )
    assert short_verdict(LOSING) == (
        "better than the best baseline on validation (gradient boosting): AUC 0.630 against 0.600 [+0.010, +0.050]; "
        "after costs it loses 0.740 R a trade [-0.800, -0.680]."
    )
    assert all(len(short_verdict(one).split()) <= 30 for one in (GOOD, LOSING))
