"""Plain sentences: did the network beat the best baseline, how surely, and what do its trades earn after costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepstack.evaluation.significance import Difference

UNKNOWN = Difference(None, None, None)
NO_BASELINE = "No baseline was fitted, so nothing can be said about beating one"

Interval = Sequence[float] | None


@dataclass(frozen=True)
class Findings:
    """What a verdict is made from.

    Attributes:
        baseline: the one that was best on validation; None without baselines.
        auc: network minus that baseline.
        auc_of_both: AUC of the network and of that baseline.
        own_r, own_ci95: net R a trade of the trades the network takes, and its interval; None when unknown.
        more_than_all: net R a trade, trades taken by the network minus all trades.
        everything: what those all trades are called.
    """

    baseline: str | None
    auc: Difference
    auc_of_both: tuple[float | None, float | None]
    own_r: float | None
    own_ci95: Interval
    more_than_all: Difference
    everything: str = "taking all"

    @classmethod
    def of(
        cls,
        baseline: str | None,
        blocks: Mapping[str, Mapping[str, Any]],
        auc: Difference,
        more_than_all: Difference,
        everything: str = "taking all",
    ) -> "Findings":
        """Findings of the blocks of figures, by model, and of the two differences."""
        network = blocks["network"]
        both = network["auc"], None if baseline is None else blocks[baseline]["auc"]
        own = network["expectancy_r"], network["expectancy_r_ci95"]
        return cls(baseline, auc, both, *own, more_than_all, everything)

    @property
    def rival(self) -> str:
        """How the baseline is called: one that ranks nothing is no best one."""
        if self.baseline in (None, "take_all"):
            return "chance ranking"
        assert self.baseline is not None
        return f"the best baseline on validation ({self.baseline.replace('_', ' ')})"


def verdict(found: Findings) -> str:
    """One sentence with both comparisons and every interval."""
    return f"{_ranking(found)}; {_earning(found)}."


def short_verdict(found: Findings) -> str:
    """The same in some thirty words, 95 % intervals in bare brackets, for one horizon of several."""
    network, other = found.auc_of_both
    if found.baseline is None:
        ranking = "no baseline was fitted"
    elif found.auc.estimate is None or network is None or other is None:
        ranking = f"not comparable with {found.rival}, one class only"
    else:
        ranking = (
            f"{_claim(found.auc.ci95)} {found.rival}: AUC {network:.3f} against {other:.3f}{_short(found.auc.ci95)}"
        )
    if found.own_r is None:
        return f"{ranking}; it takes no trade."
    return f"{ranking}; after costs it {_own(found, 'loses', 'earns', 'is')} a trade{_short(found.own_ci95)}."


def summary(horizons: Sequence[Findings]) -> str:
    """One line for several horizons: on how many the network is better, and on how many it is shown to earn."""
    earning = _of(sum(_above_zero(one.own_ci95) for one in horizons), len(horizons))
    rivals = {"chance ranking" if one.rival == "chance ranking" else "the best baseline" for one in horizons}
    if any(one.baseline is None for one in horizons):
        better = NO_BASELINE
    else:
        count = sum(_above_zero(one.auc.ci95) for one in horizons)
        better = f"The network is better than {' or '.join(sorted(rivals))} on {_of(count, len(horizons))} horizons"
    return f"{better}; shown to earn after costs on {earning} (95 % intervals in brackets)."


def _ranking(found: Findings) -> str:
    if found.baseline is None:
        return NO_BASELINE
    network, other = found.auc_of_both
    if found.auc.estimate is None or network is None or other is None:
        return f"The network cannot be compared with {found.rival}: the test slice holds one class only"
    figures = f"AUC {network:.3f} against {other:.3f}, difference {found.auc.estimate:+.3f}"
    if found.auc.ci95 is None:
        return (
            f"Whether the network is better than {found.rival} cannot be said: {figures}, "
            "on a test slice too short for an interval"
        )
    return f"The network is {_claim(found.auc.ci95)} {found.rival}: {figures}{_long(found.auc.ci95)}"


def _earning(found: Findings) -> str:
    if found.own_r is None:
        return "it takes no trade"
    own = f"after costs the trades it takes {_own(found, 'lose', 'earn', 'are')} each{_long(found.own_ci95)}"
    more = found.more_than_all
    if more.estimate is None:
        return own
    return f"{own}, {_claim(more.ci95)} {found.everything}: difference {more.estimate:+.3f} R a trade{_long(more.ci95)}"


def _own(found: Findings, lose: str, earn: str, are: str) -> str:
    assert found.own_r is not None
    if found.own_r < 0.0:
        return f"{lose} {-found.own_r:.3f} R"
    if _above_zero(found.own_ci95):
        return f"{earn} {found.own_r:.3f} R"
    return f"{are} not shown to earn: {found.own_r:+.3f} R"


def _claim(ci95: Interval) -> str:
    if ci95 is None:
        return "not shown, for want of an interval, to be better than"
    if ci95[1] < 0.0:
        return "worse than"
    return "better than" if ci95[0] > 0.0 else "not shown to be better than"


def _above_zero(ci95: Interval) -> bool:
    return ci95 is not None and ci95[0] > 0.0


def _of(count: int, total: int) -> str:
    return f"{count or 'none'} of {total}"


def _long(ci95: Interval) -> str:
    return "" if ci95 is None else f", 95 % interval{_short(ci95)}"


def _short(ci95: Interval) -> str:
    return "" if ci95 is None else f" [{ci95[0]:+.3f}, {ci95[1]:+.3f}]"
