"""Planted leaks, each a mistake that people make, put into the chain for the length of a block to prove the audit."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import bottleneck as bn
import keras
import numpy as np
import pandas as pd
import pywt
from scipy.signal import filtfilt, savgol_filter

from deepstack.candles.market import Candles, Market
from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES
from deepstack.features.table import FeatureTable
from deepstack.pipeline import samples as samples_module
from deepstack.samples.windows import Windows

SUBJECTS: dict[str, tuple[str, ...]] = {
    "bar": ("model.name=sequential", "model.options={layers: 5, width: 8}"),
    "timeframes": (
        "model.name=attentive_lstm",
        "model.options={units: 4}",
        "samples.timeframes=[2h]",
        "samples.window_bars=6",
    ),
    "causal": ("model.name=tcn", "model.options={filters: 4, levels: 2}", "samples.window_bars=12"),
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


def _returns(bars: Bars) -> np.ndarray:
    return np.concatenate([[0.0], np.diff(np.log(bars.close))])


def _shifted(values: np.ndarray, bars: int) -> np.ndarray:
    """The value so many bars later, 0 where there is none."""
    return np.concatenate([values[bars:], np.zeros(min(bars, len(values)))])[: len(values)]


def _centred_mean(bars: Bars) -> np.ndarray:
    return np.asarray(pd.Series(_returns(bars)).rolling(5, center=True, min_periods=1).mean())


def _full_sample_scaler(bars: Bars) -> np.ndarray:
    returns = _returns(bars)
    return np.asarray((returns - returns.mean()) / (returns.std() + 1e-12))


def _backfill(bars: Bars) -> np.ndarray:
    returns = pd.Series(_returns(bars))
    return np.asarray(returns.where(returns > 0.0).bfill())


def _interpolated(bars: Bars) -> np.ndarray:
    returns = pd.Series(_returns(bars))
    return np.asarray(returns.where(np.arange(len(returns)) % 3 == 0).interpolate())


def _both_ways(bars: Bars) -> np.ndarray:
    return np.asarray(filtfilt([0.2], [1.0, -0.8], _returns(bars)))


def _wavelet(bars: Bars) -> np.ndarray:
    levels = pywt.wavedec(_returns(bars), "db2", level=3)
    levels[1:] = [np.zeros_like(level) for level in levels[1:]]
    return np.asarray(pywt.waverec(levels, "db2"))[: len(bars)]


def _fourier(bars: Bars) -> np.ndarray:
    spectrum = np.fft.rfft(_returns(bars))
    spectrum[len(spectrum) // 4 :] = 0.0
    return np.fft.irfft(spectrum, len(bars))


def _target(bars: Bars) -> np.ndarray:
    return np.sign(_shifted(np.log(bars.close), 12) - np.log(bars.close))


def _future_extreme(bars: Bars) -> np.ndarray:
    later = bn.move_max(bars.high[::-1], 20, min_count=1)[::-1]
    return np.asarray(bars.close / later)


def _full_sample_rank(bars: Bars) -> np.ndarray:
    return np.asarray(pd.Series(_returns(bars)).rank(pct=True))


def _whole_day(bars: Bars) -> np.ndarray:
    day = pd.Series(bars.high).groupby((bars.close_ms - 1) // 86_400_000).transform("max")
    return np.asarray(bars.close / day)


def _savgol(bars: Bars) -> np.ndarray:
    return np.asarray(savgol_filter(_returns(bars), 7, 2)) if len(bars) >= 7 else _returns(bars)


def _now_and_then(bars: Bars) -> np.ndarray:
    rare = bars.close_ms // bars.interval_ms % 41 == 0
    return np.where(rare, _shifted(_returns(bars), 1), _returns(bars))


def _fitted_trend(bars: Bars) -> np.ndarray:
    at = np.arange(len(bars))
    return np.asarray(np.log(bars.close) - np.polyval(np.polyfit(at, np.log(bars.close), 1), at))


FEATURE_LEAKS: dict[str, Callable[[Bars], np.ndarray]] = {
    "shift(-1)": lambda bars: _shifted(_returns(bars), 1),
    "shift(-300)": lambda bars: _shifted(_returns(bars), 300),
    "centred rolling window": _centred_mean,
    "scaled by the full sample": _full_sample_scaler,
    "backfill": _backfill,
    "interpolation between known values": _interpolated,
    "smoothing forwards and backwards": _both_ways,
    "wavelet over the full series": _wavelet,
    "Fourier filter over the full series": _fourier,
    "target among the features": _target,
    "extreme of the coming bars": _future_extreme,
    "rank in the full sample": _full_sample_rank,
    "high of the whole day during the day": _whole_day,
    "Savitzky-Golay filter": _savgol,
    "a peek at every 41st bar alone": _now_and_then,
    "trend fitted to the full series": _fitted_trend,
}


@contextmanager
def _unclosed_candle() -> Iterator[None]:
    """A coarser candle is seen while it is still open."""
    honest = FeatureTable.locate_last

    def early(table: FeatureTable, symbols: Any, times: Any, interval: pd.Timedelta) -> np.ndarray:
        return honest(table, symbols, times + interval, interval)

    with mock.patch.object(FeatureTable, "locate_last", early):
        yield


@contextmanager
def _candle_named_by_its_open() -> Iterator[None]:
    """Coarser candles are indexed by the time at which they open."""
    from deepstack.pipeline import inputs

    honest = inputs.resample

    def by_open(candles: Candles, interval: pd.Timedelta) -> Candles:
        coarse = honest(candles, interval)
        frame = coarse.frame.copy()
        frame.index = (pd.DatetimeIndex(frame.index) - interval).as_unit("ms")
        return Candles(coarse.symbol, coarse.interval, frame)

    with mock.patch.object(inputs, "resample", by_open):
        yield


@contextmanager
def _window_one_bar_late() -> Iterator[None]:
    """Windows end one bar after the decision."""
    honest = FeatureTable.locate

    def late(table: FeatureTable, symbols: Any, times: Any) -> np.ndarray:
        rows = honest(table, symbols, times)
        return np.where((rows >= 0) & (rows + 1 < len(table)), rows + 1, rows)

    with mock.patch.object(FeatureTable, "locate", late):
        yield


@contextmanager
def _peers_one_bar_late() -> Iterator[None]:
    """Other symbols' returns are those of the next bar."""
    from deepstack.features import table

    honest = table.bars_of

    def late(market: Market, symbol: str, tail: int | None = None) -> Bars:
        bars = honest(market, symbol, tail)
        peers = None if bars.peers is None else np.roll(bars.peers, -1, axis=0)
        return replace(bars, peers=peers, _shared={})

    with mock.patch.object(table, "bars_of", late):
        yield


def _scaler_of_everything() -> AbstractContextManager[Any]:
    honest = samples_module.seen_rows
    return mock.patch.object(samples_module, "seen_rows", lambda values, _: honest(values, np.arange(len(values))))


@contextmanager
def _selection_on_everything() -> Iterator[None]:
    honest = samples_module._select

    def select(seen: Any, codes: np.ndarray, train: np.ndarray, config: Any) -> Any:
        return honest(seen, codes, np.arange(len(codes)), config)

    with mock.patch.object(samples_module, "_select", select):
        yield


@contextmanager
def _no_purge() -> Iterator[None]:
    """Labels reach across the cuts."""
    honest = samples_module.split_by_time

    def unpurged(samples: pd.DataFrame, cuts: Any, interval: pd.Timedelta, embargo_bars: int) -> Any:
        return honest(samples.assign(end_time=samples["decision_time"]), cuts, interval, 0)

    with mock.patch.object(samples_module, "split_by_time", unpurged):
        yield


@contextmanager
def _shuffled_split() -> Iterator[None]:
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
def _cuts_by_trades() -> Iterator[None]:
    """Cuts are shares of the trades, whose number depends on prices to come."""
    honest = samples_module.slices

    def by_trades(found: Any, interval: pd.Timedelta, config: Any, split: Any = None) -> Any:
        times = found.labels.samples["decision_time"].dt.tz_localize(None).to_numpy("datetime64[ms]")
        return honest(replace(found, seen=replace(found.seen, bar_times=times)), interval, config, split)

    from deepstack.audit import chain

    with mock.patch.object(samples_module, "slices", by_trades), mock.patch.object(chain, "slices", by_trades):
        yield


@contextmanager
def _in_sample_stacker() -> Iterator[None]:
    """The stacker answers for validation with what it learned from it."""
    from deepstack.ensembles import combine

    def in_sample(times: pd.DataFrame, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        everyone = np.arange(len(times))
        return [(everyone, everyone)]

    with mock.patch.object(combine, "purged_folds", in_sample):
        yield


@contextmanager
def _in_sample_calibration() -> Iterator[None]:
    """Calibration answers for the outcomes it was fitted on."""
    from deepstack.evaluation import calibrate

    def in_sample(times: pd.DataFrame, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        everyone = np.arange(len(times))
        return [(everyone, everyone)]

    with mock.patch.object(calibrate, "purged_folds", in_sample):
        yield


@contextmanager
def _folds_without_purge() -> Iterator[None]:
    """Folds of validation are consecutive, but labels reach from one into the next."""
    from deepstack.audit import fitted
    from deepstack.evaluation import calibrate

    def plain(times: pd.DataFrame, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        rows = np.arange(len(times))
        return [(part, np.setdiff1d(rows, part)) for part in np.array_split(rows, folds)]

    with mock.patch.object(calibrate, "purged_folds", plain), mock.patch.object(fitted, "purged_folds", plain):
        yield


@contextmanager
def _threshold_from_test() -> Iterator[None]:
    """The threshold is the best one on the test slice."""
    from deepstack.evaluation import judge

    honest = judge.judge

    def peeking(network: Any, baselines: Any, validation: Any, test: Any, *rest: Any, **more: Any) -> Any:
        swapped = replace(network, validation=network.test)
        others = {name: replace(one, validation=one.test) for name, one in baselines.items()}
        return honest(swapped, others, test, test, *rest, **more)

    from deepstack.pipeline import judgement

    with mock.patch.object(judgement, "judge", peeking):
        yield


def _same_bar(price: str) -> Callable[[], AbstractContextManager[Any]]:
    """Trades are filled at a price of the bar that decides them."""

    @contextmanager
    def plant() -> Iterator[None]:
        from deepstack.audit import chain
        from deepstack.labels import labelled

        honest = labelled.label

        def same_bar(market: Market, config: Any) -> Any:
            labels = honest(market, config)
            entry = np.empty(len(labels))
            for symbol, rows in labels.samples.groupby("symbol", sort=False).indices.items():
                frame = market[str(symbol)].frame
                at = frame.index.get_indexer(pd.DatetimeIndex(labels.samples["decision_time"].iloc[rows]))
                entry[rows] = frame[price].to_numpy()[at]
            return replace(labels, samples=labels.samples.assign(entry_price=entry))

        with mock.patch.object(labelled, "label", same_bar), mock.patch.object(chain, "label", same_bar):
            yield

    return plant


@contextmanager
def _breakout_confirmed_later() -> Iterator[None]:
    """A breakout counts only if the next bar closes beyond it too."""
    from deepstack.labels import labelled

    honest = labelled.find_breakouts

    def confirmed(candles: Candles, config: Any) -> Any:
        rows, side, risk = honest(candles, config)
        close = candles.frame["close"].to_numpy()
        later = np.minimum(rows + 1, len(close) - 1)
        kept = side * (close[later] - close[rows]) >= 0.0
        return rows[kept], side[kept], risk[kept]

    with mock.patch.object(labelled, "find_breakouts", confirmed):
        yield


@contextmanager
def _outcome_beyond_its_end() -> Iterator[None]:
    """A trade is given its result some bars before that was known."""
    from deepstack.audit import chain
    from deepstack.labels import labelled

    honest = labelled.label

    def early(market: Market, config: Any) -> Any:
        labels = honest(market, config)
        interval = next(iter(market.values())).interval
        samples = labels.samples
        ends = np.maximum(samples["end_time"] - 3 * interval, samples["decision_time"] + interval)
        return replace(labels, samples=samples.assign(end_time=ends))

    with mock.patch.object(labelled, "label", early), mock.patch.object(chain, "label", early):
        yield


@contextmanager
def _batch_statistics() -> Iterator[None]:
    """The network normalises by the batch it is asked with."""
    from deepstack.audit import network

    honest = network.raw_outputs

    def by_batch(model: keras.Model, inputs: Any, size: int) -> np.ndarray:
        raw = honest(model, inputs, size)
        return np.asarray((raw - raw.mean(axis=0)) / (raw.std(axis=0) + 1e-6))

    with mock.patch.object(network, "raw_outputs", by_batch):
        yield


@contextmanager
def _equity_before_entry() -> Iterator[None]:
    """The account is given a trade's result at the bar that decides it."""
    from deepstack.evaluation import equity

    honest = equity.mark_trades

    def early(trades: pd.DataFrame, market: Market) -> Any:
        marks = honest(trades, market)
        return replace(marks, bar=np.sort(np.maximum(marks.bar - 1, 0)))

    with mock.patch.object(equity, "mark_trades", early):
        yield


@contextmanager
def _known_only_later() -> Iterator[None]:
    """Windows hold the newest rows of the whole matrix, wherever the sample stands."""
    honest = Windows.__getitem__

    def newest(windows: Windows, index: np.ndarray) -> np.ndarray:
        found = honest(windows, index)
        found[..., -1, :] = windows.values[np.minimum(windows.last[index] + 2, len(windows.values) - 1)]
        return found

    with mock.patch.object(Windows, "__getitem__", newest):
        yield


@contextmanager
def _padded_on_both_sides() -> Iterator[None]:
    """Convolutions that should see the past alone see as much of the future."""
    honest = keras.layers.Conv1D

    def same(*arguments: Any, **options: Any) -> Any:
        return honest(*arguments, **options | ({"padding": "same"} if options.get("padding") == "causal" else {}))

    with mock.patch.object(keras.layers, "Conv1D", same):
        yield


@contextmanager
def _duplicates() -> Iterator[None]:
    """Candles joined carelessly: the last bars twice, revised values first."""
    from deepstack.audit import chain

    honest = chain.as_market

    def joined(candles: Any) -> Market:
        found = {}
        for symbol, one in honest(candles).items():
            again = one.frame.iloc[-20:].copy()
            again["close"] *= 1.001
            found[symbol] = Candles(symbol, one.interval, pd.concat([again, one.frame]).sort_index(kind="stable"))
        return found

    with mock.patch.object(chain, "as_market", joined):
        yield


CHAIN_LEAKS = (
    Mutation("a coarser candle before it has closed", "windows", _unclosed_candle, "timeframes"),
    Mutation("coarser candles named by their open", "coarser candles", _candle_named_by_its_open, "timeframes"),
    Mutation("windows that end a bar too late", "windows", _window_one_bar_late),
    Mutation("windows with a later row at their end", "windows", _known_only_later, "causal"),
    Mutation("other symbols' next bar", "features", _peers_one_bar_late),
    Mutation("scaler fitted on all samples", "scalers", _scaler_of_everything),
    Mutation("features selected on all samples", "fitted state", _selection_on_everything),
    Mutation("labels across the split", "split", _no_purge),
    Mutation("shuffled split", "split", _shuffled_split),
    Mutation("cuts by trades instead of bars", "fitted state", _cuts_by_trades),
    Mutation("in-sample stacker", "calibration and stacking", _in_sample_stacker),
    Mutation("in-sample calibration", "calibration and stacking", _in_sample_calibration),
    Mutation("folds without purge", "calibration and stacking", _folds_without_purge),
    Mutation("threshold chosen on the test slice", "threshold", _threshold_from_test),
    Mutation("fill at the close of the deciding bar", "labels and fills", _same_bar("close")),
    Mutation("fill at the open of the deciding bar", "labels and fills", _same_bar("open")),
    Mutation("outcomes dated before they were known", "labels and fills", _outcome_beyond_its_end),
    Mutation("breakouts confirmed by the next bar", "decisions asked", _breakout_confirmed_later),
    Mutation("batch statistics at inference", "network, row by row", _batch_statistics),
    Mutation("equity before the entry", "equity", _equity_before_entry),
    Mutation("a causal layer that pads on both sides", "causal layers", _padded_on_both_sides, "causal"),
    Mutation("duplicates, the later revision first", "candles", _duplicates),
)

MUTATIONS = (*(Mutation(name, "features", _feature(compute)) for name, compute in FEATURE_LEAKS.items()), *CHAIN_LEAKS)
"""Every planted leak; the first ones replace one feature, the others one step of the chain."""
