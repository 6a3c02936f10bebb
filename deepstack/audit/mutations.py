"""Planted leaks, each a mistake that people make, put into the chain for the length of a block to prove the audit."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np

from deepstack.audit import leaky_fits, leaky_times
from deepstack.audit.leaky_features import FEATURE_LEAKS
from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES

SUBJECTS: dict[str, tuple[str, ...]] = {
    "bar": ("model.name=sequential", "model.options={layers: 5, width: 8}"),
    "timeframes": (
        "model.name=attentive_lstm",
        "model.options={units: 4}",
        "samples.timeframes=[2h]",
        "samples.window_bars=6",
    ),
    "causal": ("model.name=tcn", "model.options={filters: 4, levels: 2}", "samples.window_bars=12"),
    "horizons": (
        "model.name=sequential",
        "model.options={layers: 5, width: 8}",
        "model.head=horizons",
        "labels.kind=horizons",
        "labels.horizons={lengths: [2h, 6h], volatility_bars: 24}",
    ),
}
"""Small experiments, as overrides of a config: together they have every link."""

VICTIM = "return_1"
"""The feature that the leaks of features take the place of."""


@dataclass(frozen=True)
class Mutation:
    """One planted leak.

    Attributes:
        name: what the mistake is called.
        link: the link of the audit that must find it.
        plant: makes the context in which it is there.
        subject: the experiment it is planted in, of SUBJECTS.
    """

    name: str
    link: str
    plant: Callable[[], AbstractContextManager[Any]]
    subject: str = "bar"


def _feature(compute: Callable[[Bars], np.ndarray]) -> Callable[[], AbstractContextManager[Any]]:
    """The victim computed otherwise; NaN becomes 0, so that nothing but time is wrong with it."""

    def finite(bars: Bars) -> np.ndarray:
        values = np.asarray(compute(bars), dtype=np.float64)
        return np.where(np.isfinite(values), values, 0.0)

    return lambda: mock.patch.dict(FEATURES, {VICTIM: replace(FEATURES[VICTIM], compute=finite)})


CHAIN_LEAKS = (
    Mutation("a coarser candle before it has closed", "windows", leaky_times.unclosed_candle, "timeframes"),
    Mutation(
        "coarser candles named by their open", "coarser candles", leaky_times.candle_named_by_its_open, "timeframes"
    ),
    Mutation("windows that end a bar too late", "windows", leaky_times.window_one_bar_late),
    Mutation("windows with a later row at their end", "windows", leaky_times.known_only_later, "causal"),
    Mutation("other symbols' next bar", "features", leaky_times.peers_one_bar_late),
    Mutation("scaler fitted on all samples", "scalers", leaky_fits.scaler_of_everything),
    Mutation("features selected on all samples", "fitted state", leaky_fits.selection_on_everything),
    Mutation("features selected on training and validation", "fitted state", leaky_fits.selection_on_validation),
    Mutation("labels across the split", "split", leaky_fits.no_purge),
    Mutation("shuffled split", "split", leaky_fits.shuffled_split),
    Mutation("cuts by trades instead of bars", "fitted state", leaky_fits.cuts_by_trades),
    Mutation("in-sample stacker", "calibration and stacking", leaky_fits.in_sample_stacker),
    Mutation("in-sample calibration", "calibration and stacking", leaky_fits.in_sample_calibration),
    Mutation("folds without purge", "calibration and stacking", leaky_fits.folds_without_purge),
    Mutation("threshold chosen on the test slice", "threshold", leaky_fits.threshold_from_test),
    Mutation("fill at the close of the deciding bar", "labels and fills", leaky_times.same_bar("close")),
    Mutation("fill at the open of the deciding bar", "labels and fills", leaky_times.same_bar("open")),
    Mutation("outcomes dated before they were known", "labels and fills", leaky_times.outcome_beyond_its_end),
    Mutation("a short horizon's answer from the longest", "labels and fills", leaky_times.longest_for_all, "horizons"),
    Mutation("breakouts confirmed by the next bar", "decisions asked", leaky_times.breakout_confirmed_later),
    Mutation("batch statistics at inference", "network, row by row", leaky_fits.batch_statistics),
    Mutation("batch statistics in the SavedModel alone", "network, row by row", leaky_fits.served_batch_statistics),
    Mutation("equity before the entry", "equity", leaky_times.equity_before_entry),
    Mutation("a causal layer that pads on both sides", "causal layers", leaky_fits.padded_on_both_sides, "causal"),
    Mutation("probabilities smoothed over later ones", "end to end", leaky_times.smoothed_answers),
    Mutation("inputs centred by later ones", "end to end", leaky_times.normalised_by_all_asked),
    Mutation("duplicates, the later revision first", "candles", leaky_times.duplicates),
)

MUTATIONS = (*(Mutation(name, "features", _feature(compute)) for name, compute in FEATURE_LEAKS.items()), *CHAIN_LEAKS)
"""Every planted leak; the first ones replace one feature, the others one step of the chain."""
