"""Planted leaks of what is fitted: statistics, slices, folds and thresholds that saw what they should not."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from deepstack.audit import chain, network
from deepstack.ensembles import combine
from deepstack.evaluation import calibrate, judge
from deepstack.pipeline import judgement
from deepstack.pipeline import samples as samples_module


def scaler_of_everything() -> AbstractContextManager[Any]:
    """Scalers are fitted on the rows of all samples."""
    honest = samples_module.seen_rows
    return mock.patch.object(samples_module, "seen_rows", lambda values, _: honest(values, np.arange(len(values))))


@contextmanager
def selection_on_everything() -> Iterator[None]:
    """Features are chosen by the outcomes of all samples."""
    honest = samples_module._select

    def select(seen: Any, codes: np.ndarray, train: np.ndarray, config: Any) -> Any:
        return honest(seen, codes, np.arange(len(codes)), config)

    with mock.patch.object(samples_module, "_select", select):
        yield


@contextmanager
def selection_on_validation() -> Iterator[None]:
    """Features are chosen by the outcomes of training and of what follows it, short of the test slice."""
    honest = samples_module._select

    def select(seen: Any, codes: np.ndarray, train: np.ndarray, config: Any) -> Any:
        return honest(seen, codes, np.arange(min(len(codes), int(1.2 * train[-1]))), config)

    with mock.patch.object(samples_module, "_select", select):
        yield


@contextmanager
def no_purge() -> Iterator[None]:
    """Labels reach across the cuts."""
    honest = samples_module.split_by_time

    def unpurged(samples: pd.DataFrame, cuts: Any, interval: pd.Timedelta, embargo_bars: int) -> Any:
        return honest(samples.assign(end_time=samples["decision_time"]), cuts, interval, 0)

    with mock.patch.object(samples_module, "split_by_time", unpurged):
        yield


@contextmanager
def shuffled_split() -> Iterator[None]:
    """Slices are drawn at random, as train_test_split does."""
    honest = samples_module.split_by_time

    def shuffled(samples: pd.DataFrame, cuts: Any, interval: pd.Timedelta, embargo_bars: int) -> Any:
        split = honest(samples, cuts, interval, embargo_bars)
        everyone = np.random.default_rng(0).permutation(np.concatenate([split.train, split.validation, split.test]))
        sizes = np.cumsum([len(split.train), len(split.validation)])
        train, validation, test = (np.sort(part) for part in np.split(everyone, sizes))
        return replace(split, train=train, validation=validation, test=test)

    with mock.patch.object(samples_module, "split_by_time", shuffled):
        yield


@contextmanager
def cuts_by_trades() -> Iterator[None]:
    """Cuts are shares of the trades, whose number depends on prices to come."""
    honest = samples_module.slices

    def by_trades(found: Any, interval: pd.Timedelta, config: Any, split: Any = None) -> Any:
        times = found.labels.samples["decision_time"].dt.tz_localize(None).to_numpy("datetime64[ms]")
        return honest(replace(found, seen=replace(found.seen, bar_times=times)), interval, config, split)

    with mock.patch.object(samples_module, "slices", by_trades), mock.patch.object(chain, "slices", by_trades):
        yield


def _in_sample(times: pd.DataFrame, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """One fold that learns from itself."""
    everyone = np.arange(len(times))
    return [(everyone, everyone)]


@contextmanager
def in_sample_stacker() -> Iterator[None]:
    """The stacker answers for validation with what it learned from it."""
    with mock.patch.object(combine, "purged_folds", _in_sample):
        yield


@contextmanager
def in_sample_calibration() -> Iterator[None]:
    """Calibration answers for the outcomes it was fitted on."""
    with mock.patch.object(calibrate, "purged_folds", _in_sample):
        yield


@contextmanager
def folds_without_purge() -> Iterator[None]:
    """Folds of validation are consecutive, but labels reach from one into the next."""

    def plain(times: pd.DataFrame, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = np.arange(len(times))
        return [(part, np.setdiff1d(rows, part)) for part in np.array_split(rows, folds)]

    with mock.patch.object(calibrate, "purged_folds", plain), mock.patch.object(combine, "purged_folds", plain):
        yield


@contextmanager
def threshold_from_test() -> Iterator[None]:
    """The threshold is the best one on the test slice."""
    honest = judge.judge

    def peeking(network: Any, baselines: Any, validation: Any, test: Any, *rest: Any, **more: Any) -> Any:
        swapped = replace(network, validation=network.test)
        others = {name: replace(one, validation=one.test) for name, one in baselines.items()}
        return honest(swapped, others, test, test, *rest, **more)

    with mock.patch.object(judgement, "judge", peeking):
        yield


@contextmanager
def batch_statistics() -> Iterator[None]:
    """The network normalises by the batch it is asked with."""
    honest = network.raw_outputs

    def by_batch(model: keras.Model, inputs: Any, *size: int) -> np.ndarray:
        raw = honest(model, inputs, *size)
        return np.asarray((raw - raw.mean(axis=0)) / (raw.std(axis=0) + 1e-6))

    with mock.patch.object(network, "raw_outputs", by_batch):
        yield


@contextmanager
def served_batch_statistics() -> Iterator[None]:
    """What is exported normalises by the batch it is asked with; the network does not."""
    honest = network.Served.signature

    def by_batch(served: network.Served) -> Callable[..., Mapping[str, Any]]:
        call = honest(served)

        def answer(**inputs: Any) -> dict[str, Any]:
            return {
                name: values - tf.reduce_mean(values, axis=0) if values.dtype.is_floating else values
                for name, values in call(**inputs).items()
            }

        return answer

    with mock.patch.object(network.Served, "signature", by_batch):
        yield


@contextmanager
def padded_on_both_sides() -> Iterator[None]:
    """Convolutions that should see the past alone see as much of the future."""
    honest = keras.layers.Conv1D

    def same(*arguments: Any, **options: Any) -> Any:
        return honest(*arguments, **options | ({"padding": "same"} if options.get("padding") == "causal" else {}))

    with mock.patch.object(keras.layers, "Conv1D", same):
        yield
