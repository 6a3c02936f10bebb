"""One plain sentence: did the network beat the best baseline, by how much, how surely, and do its trades earn more."""

from deepstack.evaluation.significance import Difference


def verdict(
    baseline: str, auc: Difference, auc_of_both: tuple[float | None, float | None], expectancy: Difference
) -> str:
    """Say what the test slice showed.

    Args:
        baseline: name of the baseline that was best on validation.
        auc: network minus that baseline.
        auc_of_both: AUC of the network and of that baseline.
        expectancy: net R a trade, trades taken by the network minus all trades.
    """
    return f"{_ranking(baseline.replace('_', ' '), auc, auc_of_both)}; {_earning(expectancy)}."


def _ranking(baseline: str, auc: Difference, auc_of_both: tuple[float | None, float | None]) -> str:
    network, other = auc_of_both
    if auc.estimate is None or network is None or other is None:
        return (
            f"The network cannot be compared with the best baseline ({baseline}): the test slice holds one class only"
        )
    figures = f"AUC {network:.3f} against {other:.3f}, difference {auc.estimate:+.3f}"
    if auc.ci95 is None:
        return (
            f"Whether the network is better than the best baseline ({baseline}) cannot be said: {figures}, "
            "on a test slice too short for an interval"
        )
    if auc.ci95[0] > 0.0:
        claim = "The network is better than"
    elif auc.ci95[1] < 0.0:
        claim = "The network is worse than"
    else:
        claim = "The network is not shown to be better than"
    return f"{claim} the best baseline ({baseline}): {figures}, {_interval(auc)}"


def _earning(expectancy: Difference) -> str:
    if expectancy.estimate is None:
        return "it takes no trade"
    figures = f"{expectancy.estimate:+.3f} R a trade"
    if expectancy.ci95 is None:
        return f"the trades it takes differ from taking all by {figures}, without an interval"
    if expectancy.ci95[0] > 0.0:
        claim = "the trades it takes earn more than taking all"
    elif expectancy.ci95[1] < 0.0:
        claim = "the trades it takes earn less than taking all"
    else:
        claim = "the trades it takes are not shown to earn more than taking all"
    return f"{claim}: {figures}, {_interval(expectancy)}"


def _interval(difference: Difference) -> str:
    assert difference.ci95 is not None
    low, high = difference.ci95
    return f"95 % interval [{low:+.3f}, {high:+.3f}]"
