"""The chronological split: one calendar cut for all symbols, purged by label interval, with an embargo."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from deepstack.config.split import SplitConfig
from deepstack.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Which trades belong to which slice.

    Attributes:
        train, validation, test: int64 positions in the trades frame, ascending; no trade stands in two.
        validation_cut, test_cut: first moment of each later slice.
        purged: trades left out because they were still open at the cut that ends their slice.
        embargoed: trades left out because they ended within the embargo before that cut.
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


def split_by_time(trades: pd.DataFrame, cuts: Cuts, interval: pd.Timedelta, embargo_bars: int) -> Split:
    """Divide the trades of all symbols at two moments.

    A trade belongs to the slice of its decision time, a decision at the cut to the later slice. It is kept when its
    outcome was known before the next cut less the embargo, so no interval [decision_time, end_time] of one slice
    meets one of another, whatever the symbols.

    Args:
        trades: columns decision_time, end_time and won of TRADE_COLUMNS, in any order.
        cuts: from `calendar_cuts`.
        interval: length of a bar, the unit of the embargo.
        embargo_bars: bars left empty before each cut.

    Raises:
        DataError: a slice is empty or holds one class only.

    Source: López de Prado 2018, Advances in Financial Machine Learning, section 7.4.
    """
    if trades.empty:
        raise DataError("split", expected="trades to divide", received="none", remedy="more bars")
    decision = pd.DatetimeIndex(trades["decision_time"]).as_unit("ms")
    decision_ms, end_ms = decision.asi8, pd.DatetimeIndex(trades["end_time"]).as_unit("ms").asi8
    validation_cut, test_cut = pd.DatetimeIndex(cuts).as_unit("ms").asi8
    embargo_ms = embargo_bars * (interval // pd.Timedelta(1, "ms"))

    is_train = decision_ms < validation_cut
    is_validation = (decision_ms >= validation_cut) & (decision_ms < test_cut)
    slice_end = np.where(is_train, validation_cut, test_cut)
    is_early = is_train | is_validation
    purged = is_early & (end_ms >= slice_end)
    embargoed = is_early & ~purged & (end_ms >= slice_end - embargo_ms)
    kept = ~(purged | embargoed)
    split = Split(
        train=np.flatnonzero(is_train & kept),
        validation=np.flatnonzero(is_validation & kept),
        test=np.flatnonzero(~is_early),
        validation_cut=cuts.validation,
        test_cut=cuts.test,
        purged=int(purged.sum()),
        embargoed=int(embargoed.sum()),
    )
    _require_both_classes(split, trades["won"].to_numpy(bool))
    return split


def _require_both_classes(split: Split, won: np.ndarray) -> None:
    slices = {"train": split.train, "validation": split.validation, "test": split.test}
    counts = {name: (int(won[rows].sum()), len(rows)) for name, rows in slices.items()}
    for name, (positive, total) in counts.items():
        if not 0 < positive < total:
            received = ", ".join(f"{slice_} {p} won of {n}" for slice_, (p, n) in counts.items())
            raise DataError(
                f"split ({name})",
                expected="won and lost trades in every slice",
                received=f"{received}, {split.purged} purged, {split.embargoed} embargoed",
                remedy="more bars, another split.train or split.validation, or a shorter split.embargo_bars",
            )
