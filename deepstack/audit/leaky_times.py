"""Planted leaks of time: candles, windows, decisions and fills that come a bar too late or too early."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from deepstack.audit import chain
from deepstack.candles.market import Candles, Market
from deepstack.evaluation import equity
from deepstack.features import table
from deepstack.features.bars import Bars
from deepstack.features.table import FeatureTable
from deepstack.labels import labelled
from deepstack.pipeline import inputs
from deepstack.pipeline.predict import Predictor
from deepstack.samples.windows import Windows


@contextmanager
def unclosed_candle() -> Iterator[None]:
    """A coarser candle is seen while it is still open."""
    honest = FeatureTable.locate_last

    def early(table: FeatureTable, symbols: Any, times: Any, interval: pd.Timedelta) -> np.ndarray:
        return honest(table, symbols, times + interval, interval)

    with mock.patch.object(FeatureTable, "locate_last", early):
        yield


@contextmanager
def candle_named_by_its_open() -> Iterator[None]:
    """Coarser candles are indexed by the time at which they open."""
    honest = inputs.resample

    def by_open(candles: Candles, interval: pd.Timedelta) -> Candles:
        coarse = honest(candles, interval)
        frame = coarse.frame.copy()
        frame.index = (pd.DatetimeIndex(frame.index) - interval).as_unit("ms")
        return Candles(coarse.symbol, coarse.interval, frame)

    with mock.patch.object(inputs, "resample", by_open):
        yield


@contextmanager
def window_one_bar_late() -> Iterator[None]:
    """Windows end one bar after the decision."""
    honest = FeatureTable.locate

    def late(table: FeatureTable, symbols: Any, times: Any) -> np.ndarray:
        rows = honest(table, symbols, times)
        return np.where((rows >= 0) & (rows + 1 < len(table)), rows + 1, rows)

    with mock.patch.object(FeatureTable, "locate", late):
        yield


@contextmanager
def peers_one_bar_late() -> Iterator[None]:
    """Other symbols' returns are those of the next bar."""
    honest = table.bars_of

    def late(market: Market, symbol: str, tail: int | None = None) -> Bars:
        bars = honest(market, symbol, tail)
        peers = None if bars.peers is None else np.roll(bars.peers, -1, axis=0)
        return replace(bars, peers=peers, _shared={})

    with mock.patch.object(table, "bars_of", late):
        yield


@contextmanager
def known_only_later() -> Iterator[None]:
    """Windows hold the newest rows of the whole matrix, wherever the sample stands."""
    honest = Windows.__getitem__

    def newest(windows: Windows, index: np.ndarray) -> np.ndarray:
        found = honest(windows, index)
        found[..., -1, :] = windows.values[np.minimum(windows.last[index] + 2, len(windows.values) - 1)]
        return found

    with mock.patch.object(Windows, "__getitem__", newest):
        yield


@contextmanager
def duplicates() -> Iterator[None]:
    """Candles joined carelessly: the last bars twice, revised values first."""
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


@contextmanager
def smoothed_answers() -> Iterator[None]:
    """Probabilities smoothed over the neighbours on both sides."""
    honest = Predictor.decoded

    def smoothed(predictor: Predictor, raw: np.ndarray) -> np.ndarray:
        probability = honest(predictor, raw)
        after = np.concatenate([probability[1:], probability[-1:]])
        before = np.concatenate([probability[:1], probability[:-1]])
        return np.asarray((before + probability + after) / 3.0)

    with mock.patch.object(Predictor, "decoded", smoothed):
        yield


@contextmanager
def normalised_by_all_asked() -> Iterator[None]:
    """What the network is given is centred by the mean of all that is asked at once."""
    honest = Predictor.scale

    def centred(predictor: Predictor, given: Any) -> Any:
        scaled = honest(predictor, given)
        return {name: values - np.mean(values, axis=0) for name, values in scaled.items()}

    with mock.patch.object(Predictor, "scale", centred):
        yield


def same_bar(price: str) -> Callable[[], AbstractContextManager[Any]]:
    """Trades are filled at a price of the bar that decides them."""

    @contextmanager
    def plant() -> Iterator[None]:

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
def breakout_confirmed_later() -> Iterator[None]:
    """A breakout counts only if the next bar closes beyond it too."""
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
def outcome_beyond_its_end() -> Iterator[None]:
    """A trade is given its result some bars before that was known."""

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
def longest_for_all() -> Iterator[None]:
    """Every horizon is given the class of the longest."""
    honest = labelled.label

    def alike(market: Market, config: Any) -> Any:
        labels = honest(market, config)
        return replace(labels, codes=np.repeat(labels.codes[:, -1:], len(labels.outputs), axis=1))

    with mock.patch.object(labelled, "label", alike), mock.patch.object(chain, "label", alike):
        yield


@contextmanager
def equity_before_entry() -> Iterator[None]:
    """The account is given a trade's result at the bar that decides it."""
    honest = equity.mark_trades

    def early(trades: pd.DataFrame, market: Market) -> Any:
        marks = honest(trades, market)
        return replace(marks, bar=np.sort(np.maximum(marks.bar - 1, 0)))

    with mock.patch.object(equity, "mark_trades", early):
        yield
