"""Dividing samples in time: the same calendar for all symbols, purged by label interval, with an embargo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from deepstack.config.split import SplitConfig
from deepstack.errors import DataError

BEGINNING, END = (pd.Timestamp(text, tz="UTC") for text in ("1900-01-01", "2200-01-01"))
"""Before and after all candles."""


@dataclass(frozen=True, eq=False)
class Split:
    """Which samples belong to which slice.

    Attributes:
        train, validation, test: int64 positions in the samples frame, ascending; no sample stands in two.
        validation_cut, test_cut: first moment of the validation and of the test slice.
        purged: samples left out because their interval meets that of a later slice.
        embargoed: samples left out because it lies within the embargo of one.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    validation_cut: pd.Timestamp
    test_cut: pd.Timestamp
    purged: int
    embargoed: int

    def stopped_inside(self, samples: pd.DataFrame, share: float, embargo: pd.Timedelta) -> "Split":
        """The training slice alone, its latest share in the place of validation.

        What is fitted so has not met the validation slice, not even to stop by it.

        Args:
            samples: that were split.
            share: of the training samples, by number.
            embargo: time left empty between the two.
        """
        decided, ended = (_ms(samples[name])[self.train] for name in ("decision_time", "end_time"))
        cut = int(np.quantile(decided, 1.0 - share, method="higher"))
        late = decided >= cut
        met, near = ended >= cut, ended >= cut - embargo // pd.Timedelta(1, "ms")
        return replace(
            self,
            train=self.train[~late & ~near],
            validation=self.train[late],
            validation_cut=pd.Timestamp(cut, unit="ms", tz="UTC"),
            purged=int((met & ~late).sum()),
            embargoed=int((near & ~met & ~late).sum()),
        )


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


class Span(NamedTuple):
    """A stretch of the calendar: decisions from `start` on and before `end`."""

    start: pd.Timestamp
    end: pd.Timestamp


def split_by_time(samples: pd.DataFrame, cuts: Cuts, interval: pd.Timedelta, embargo_bars: int) -> Split:
    """Divide the samples of all symbols at two moments.

    A sample belongs to the slice of its decision time, a decision at the cut to the later slice; see `divide`.

    Args:
        samples: columns decision_time and end_time, in any order.
        cuts: from `calendar_cuts`.
        interval: length of a bar, the unit of the embargo.
        embargo_bars: bars left empty before each cut.

    Raises:
        DataError: no samples.
    """
    whole = Span(BEGINNING, END)
    validation, test = Span(cuts.validation, cuts.test), Span(cuts.test, END)
    return divide(samples, whole, [validation], [test], embargo_bars * interval)


def divide(
    samples: pd.DataFrame, within: Span, validation: Sequence[Span], test: Sequence[Span], embargo: pd.Timedelta
) -> Split:
    """Divide samples by stretches of the calendar, purged by event time.

    A training sample is kept when its interval [decision_time, end_time] neither meets a validation or test stretch nor
    comes nearer to one than the embargo; a validation sample is held to the same of the test stretches. A stretch
    lasts until the latest outcome decided in it, whatever the symbol, so samples after it are purged too.

    Args:
        samples: columns decision_time and end_time, in any order.
        within: decisions outside are left out, unpurged and uncounted.
        validation, test: stretches that do not overlap; what they leave of `within` is for training.
        embargo: time left empty on both sides of each stretch.

    Raises:
        DataError: no samples.

    Source: López de Prado 2018, Advances in Financial Machine Learning, section 7.4.
    """
    if samples.empty:
        raise DataError("split", expected="samples to divide", received="none", remedy="more bars")
    decided, ended = (_ms(samples[name]) for name in ("decision_time", "end_time"))
    in_validation, in_test = (_inside(decided, spans) for spans in (validation, test))
    in_train = _inside(decided, [within]) & ~in_validation & ~in_test
    blocks = [_reach(decided, ended, span) for span in validation], [_reach(decided, ended, span) for span in test]
    kept, purged, embargoed = {}, 0, 0
    for name, mine, others in (
        ("train", in_train, [*blocks[0], *blocks[1]]),
        ("validation", in_validation, blocks[1]),
    ):
        touched = _meets(decided, ended, others, 0)
        near = _meets(decided, ended, others, embargo // pd.Timedelta(1, "ms"))
        kept[name] = np.flatnonzero(mine & ~near)
        purged, embargoed = purged + int((mine & touched).sum()), embargoed + int((mine & near & ~touched).sum())
    return Split(
        **kept,
        test=np.flatnonzero(in_test),
        validation_cut=min(span.start for span in validation),
        test_cut=min(span.start for span in test),
        purged=purged,
        embargoed=embargoed,
    )


def _ms(times: pd.Series) -> np.ndarray:
    return pd.DatetimeIndex(times).as_unit("ms").asi8


def _inside(decided_ms: np.ndarray, spans: Sequence[Span]) -> np.ndarray:
    """Which samples are decided in one of the stretches, bool [samples]."""
    edges = [pd.DatetimeIndex(span).as_unit("ms").asi8 for span in spans]
    return np.logical_or.reduce([(decided_ms >= start) & (decided_ms < end) for start, end in edges])


def _reach(decided_ms: np.ndarray, ended_ms: np.ndarray, span: Span) -> tuple[int, int]:
    """First moment of a stretch, and the last at which something decided in it was still open."""
    start, end = pd.DatetimeIndex(span).as_unit("ms").asi8
    return int(start), int(max(end - 1, ended_ms[(decided_ms >= start) & (decided_ms < end)].max(initial=end - 1)))


def _meets(
    decided_ms: np.ndarray, ended_ms: np.ndarray, blocks: Sequence[tuple[int, int]], margin_ms: int
) -> np.ndarray:
    """Which intervals come nearer to a block than the margin, bool [samples]."""
    return np.logical_or.reduce(
        [(ended_ms >= first - margin_ms) & (decided_ms <= last + margin_ms) for first, last in blocks]
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
