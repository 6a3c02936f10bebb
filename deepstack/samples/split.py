"""The chronological split: one calendar cut for all symbols, purged by label interval, with an embargo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from deepstack.config.split import SplitConfig
from deepstack.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Which samples belong to which slice.

    Attributes:
        train, validation, test: int64 positions in the samples frame, ascending; no sample stands in two.
        validation_cut, test_cut: first moment of each later slice.
        purged: samples left out because their outcome was still open at the cut that ends their slice.
        embargoed: samples left out because it ended within the embargo before that cut.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    validation_cut: pd.Timestamp
    test_cut: pd.Timestamp
    purged: int
    embargoed: int


class Cuts(NamedTuple):
    """First moment of the validation and of the test slice."""

    validation: pd.Timestamp
    test: pd.Timestamp


def calendar_cuts(bar_times: np.ndarray, config: SplitConfig) -> Cuts:
    """Where the shares of the config fall in the bars of all symbols.

    Bars are counted and not trades: how many trades a slice holds depends on its prices, and a cut that did too would
    let the test slice decide what is fitted.

    Args:
        bar_times: datetime64[ms] [bars], close of every bar of every symbol that can carry a sample, in any order.
        config: `train` and `validation` shares.
    """
    shares = [config.train, config.train + config.validation]
    moments = np.quantile(bar_times.astype(np.int64), shares, method="higher")
    return Cuts(*(pd.Timestamp(int(moment), unit="ms", tz="UTC") for moment in moments))


def split_by_time(samples: pd.DataFrame, cuts: Cuts, interval: pd.Timedelta, embargo_bars: int) -> Split:
    """Divide the samples of all symbols at two moments.

    A sample belongs to the slice of its decision time, a decision at the cut to the later slice. It is kept when its
    outcome was known before the next cut less the embargo, so no interval [decision_time, end_time] of one slice
    meets one of another, whatever the symbols.

    Args:
        samples: columns decision_time and end_time, in any order.
        cuts: from `calendar_cuts`.
        interval: length of a bar, the unit of the embargo.
        embargo_bars: bars left empty before each cut.

    Raises:
        DataError: no samples.

    Source: López de Prado 2018, Advances in Financial Machine Learning, section 7.4.
    """
    if samples.empty:
        raise DataError("split", expected="samples to divide", received="none", remedy="more bars")
    decision = pd.DatetimeIndex(samples["decision_time"]).as_unit("ms")
    decision_ms, end_ms = decision.asi8, pd.DatetimeIndex(samples["end_time"]).as_unit("ms").asi8
    validation_cut, test_cut = pd.DatetimeIndex(cuts).as_unit("ms").asi8
    embargo_ms = embargo_bars * (interval // pd.Timedelta(1, "ms"))

    is_train = decision_ms < validation_cut
    is_validation = (decision_ms >= validation_cut) & (decision_ms < test_cut)
    slice_end = np.where(is_train, validation_cut, test_cut)
    is_early = is_train | is_validation
    purged = is_early & (end_ms >= slice_end)
    embargoed = is_early & ~purged & (end_ms >= slice_end - embargo_ms)
    kept = ~(purged | embargoed)
    return Split(
        train=np.flatnonzero(is_train & kept),
        validation=np.flatnonzero(is_validation & kept),
        test=np.flatnonzero(~is_early),
        validation_cut=cuts.validation,
        test_cut=cuts.test,
        purged=int(purged.sum()),
        embargoed=int(embargoed.sum()),
    )


def require_every_class(split: Split, codes: np.ndarray, classes: Sequence[str]) -> None:
    """Refuse a split that leaves a slice without one of the classes.

    Args:
        codes: int [samples, outputs], index into `classes`.

    Raises:
        DataError: says how many of each class every slice holds.
    """
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    counts = {
        name: [np.bincount(output, minlength=len(classes)) for output in codes[rows].T] for name, rows in parts.items()
    }
    for name, outputs in counts.items():
        for count in outputs:
            if not count.all():
                received = ", ".join(f"{n} {answer}" for n, answer in zip(count, classes, strict=True))
                raise DataError(
                    f"split ({name})",
                    expected=f"samples of every class: {', '.join(classes)}",
                    received=f"{received}; {split.purged} purged, {split.embargoed} embargoed",
                    remedy="more bars, another split.train or split.validation, or a shorter split.embargo_bars",
                )
