"""Folds by event time: walk-forward and combinatorial purged cross-validation, each fold a split of its own."""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from deepstack.config.folds import FoldsConfig
from deepstack.samples.split import Span, Split, divide


def make_folds(
    samples: pd.DataFrame, bar_times: np.ndarray, interval: pd.Timedelta, config: FoldsConfig, embargo_bars: int
) -> list[Split]:
    """The folds of a study, each with its own training, validation and test slice.

    Stretches are shares of the bars of all symbols, never of the samples: how many samples a stretch holds depends on
    its prices.

    Args:
        samples: columns decision_time and end_time, in any order.
        bar_times: datetime64[ms] [bars], close of every bar of every symbol that can carry a sample.
        interval: length of a bar, the unit of the embargo.
        config: scheme and counts.
        embargo_bars: bars left empty on both sides of validation and test.

    Returns:
        Walk-forward folds in the order of their tests, which together cover the calendar after `first_share` once; or
        every combination of test groups, in lexicographic order.

    Source: López de Prado 2018, Advances in Financial Machine Learning, chapters 7 and 12.
    """
    embargo = embargo_bars * interval
    if config.scheme == "combinatorial":
        edges = calendar_edges(bar_times, np.linspace(0.0, 1.0, config.groups + 1))
        groups = [Span(*pair) for pair in pairwise(edges)]
        chosen = combinations(range(config.groups), config.test_groups)
        return [_combination(samples, groups, test, embargo) for test in chosen]
    shares = np.linspace(config.first_share, 1.0, config.count + 1)
    return [_step(samples, bar_times, start, end, config, embargo) for start, end in pairwise(shares)]


def calendar_edges(bar_times: np.ndarray, shares: np.ndarray) -> list[pd.Timestamp]:
    """The moments before which these shares of all bars close; at a share of 1 just after the last bar."""
    moments = np.quantile(bar_times.astype(np.int64), shares, method="higher")
    moments = np.where(shares == 1.0, bar_times.astype(np.int64).max() + 1, moments)
    return [pd.Timestamp(int(moment), unit="ms", tz="UTC") for moment in moments]


def group_of(samples: pd.DataFrame, bar_times: np.ndarray, config: FoldsConfig) -> np.ndarray:
    """The combinatorial group each sample is decided in, int64 [samples]; 0 for all where folds walk forward."""
    if config.scheme != "combinatorial":
        return np.zeros(len(samples), np.int64)
    edges = calendar_edges(bar_times, np.linspace(0.0, 1.0, config.groups + 1)[1:-1])
    return pd.DatetimeIndex(edges).searchsorted(pd.DatetimeIndex(samples["decision_time"]), side="right")


def paths(config: FoldsConfig) -> list[list[tuple[int, int]]]:
    """How the folds join to backtests over the whole tested calendar.

    Returns:
        One list a path of (fold, group): the fold whose model answers for what is decided in the group, see `group_of`.
        Walking forward there is one path; combinations give C(groups, test_groups) · test_groups / groups of them, and
        no fold answers twice for a group.
    """
    if config.scheme != "combinatorial":
        return [[(fold, 0) for fold in range(config.count)]]
    folds = list(combinations(range(config.groups), config.test_groups))
    answering = [[fold for fold, tested in enumerate(folds) if group in tested] for group in range(config.groups)]
    return [[(fold, group) for group, fold in enumerate(path)] for path in zip(*answering, strict=True)]


def _step(
    samples: pd.DataFrame,
    bar_times: np.ndarray,
    start: float,
    end: float,
    config: FoldsConfig,
    embargo: pd.Timedelta,
) -> Split:
    """One step forward: what lies before `start` for training and then validation, up to `end` for the test."""
    first = start - config.first_share if config.scheme == "rolling" else 0.0
    validation = start - config.validation_share * (start - first)
    edges = calendar_edges(bar_times, np.array([first, validation, start, end]))
    return divide(samples, Span(edges[0], edges[3]), [Span(*edges[1:3])], [Span(*edges[2:4])], embargo)


def _combination(samples: pd.DataFrame, groups: list[Span], test: tuple[int, ...], embargo: pd.Timedelta) -> Split:
    """One combination of test groups; the last group that is not tested is for validation."""
    others = [number for number in range(len(groups)) if number not in test]
    whole = Span(groups[0].start, groups[-1].end)
    return divide(samples, whole, [groups[others[-1]]], [groups[number] for number in test], embargo)
