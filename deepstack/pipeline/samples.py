"""From a market to labelled samples: feature rows joined to candidate trades by symbol and decision time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.config.features import FeaturesConfig
from deepstack.config.labels import LabelsConfig
from deepstack.config.run import RunConfig
from deepstack.errors import DataError
from deepstack.features.scale import fit_scaler
from deepstack.features.screen import screen_features
from deepstack.features.select import select_features
from deepstack.features.table import FeatureTable, make_table
from deepstack.labels.breakout import label_and_count
from deepstack.labels.weights import class_balance, uniqueness
from deepstack.progress import Progress, no_progress
from deepstack.samples.batches import Samples
from deepstack.samples.split import Split, calendar_cuts, split_by_time


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidate trades whose features are known.

    Attributes:
        trades: frame of TRADE_COLUMNS.
        features: float32 [trades, features], unscaled.
        names: of the features.
        bar_times: datetime64[ms] [bars], close of every bar of every symbol whose features are known.
        warmup_bars: bars cut at the start of every gap-free run.
        in_warmup: candidates left out because their bar lies in a warm-up.
        gap_windows: candidates left out because a gap, or the end of the data, came before their outcome.
    """

    trades: pd.DataFrame
    features: np.ndarray
    names: tuple[str, ...]
    bar_times: np.ndarray
    warmup_bars: int
    in_warmup: int
    gap_windows: int


def join(trades: pd.DataFrame, table: FeatureTable, dropped: int) -> Candidates:
    """The trades whose decision bar stands in the table, with that bar's features.

    Raises:
        DataError: every candidate falls into a warm-up.
    """
    rows = table.locate(trades["symbol"], trades["decision_time"])
    known = rows >= 0
    if not known.any():
        raise DataError(
            "samples",
            expected=f"breakouts after the warm-up of {table.warmup_bars} bars",
            received=f"{len(trades)} breakouts, all inside it",
            remedy="more candles or feature groups with a shorter lookback",
        )
    kept = trades[known].reset_index(drop=True)
    in_warmup = int((~known).sum())
    return Candidates(kept, table.values[rows[known]], table.names, table.times, table.warmup_bars, in_warmup, dropped)


def candidates(
    market: Market,
    features: FeaturesConfig,
    labels: LabelsConfig,
    *,
    names: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> Candidates:
    """Features and labels of a market, joined; `names` asks for exactly those features."""
    table = make_table(market, features, names=names, progress=partial(progress, "features"))
    trades, dropped = label_and_count(market, labels)
    return join(trades, table, dropped)


@dataclass(frozen=True, eq=False)
class Scaled:
    """What the model is fitted on; everything in it that is fitted saw the training slice alone.

    Attributes:
        names: the selected features.
        scaler: scikit-learn pipeline of those features.
        x: float32 [trades, selected features], scaled.
        weight: float32 [trades]: training rows by uniqueness, all rows balanced by the training prior if asked for.
        prior: share of winners in the training slice; None when classes are not balanced.
    """

    names: tuple[str, ...]
    scaler: object
    x: np.ndarray
    weight: np.ndarray
    prior: float | None


def scale(found: Candidates, split: Split, interval: pd.Timedelta, config: FeaturesConfig, balance: bool) -> Scaled:
    """Select and scale the features and weigh the samples, fitted on the training slice."""
    train = found.features[split.train]
    won = found.trades["won"].to_numpy(bool)
    distinct = select_features(train, found.names, config)
    names = screen_features(
        train[:, [found.names.index(name) for name in distinct]], won[split.train], distinct, config.max_features
    )
    columns = [found.names.index(name) for name in names]
    scaler = fit_scaler(train[:, columns], config)
    x = np.ascontiguousarray(scaler.transform(found.features[:, columns]), dtype=np.float32)
    unique = uniqueness(found.trades.iloc[split.train], interval)
    prior = float(won[split.train].mean())
    share = 0.5 if balance else prior
    weight = np.where(won, share / prior, (1.0 - share) / (1.0 - prior))
    weight[split.train] = class_balance(won[split.train], unique, share)
    return Scaled(names, scaler, x, weight.astype(np.float32), prior if balance else None)


@dataclass(frozen=True, eq=False)
class Slices:
    """All samples of a run, and which slice each belongs to.

    Attributes:
        found: the candidates.
        split: which of them are for training, validation and test.
        scaled: what the model sees of them.
    """

    found: Candidates
    split: Split
    scaled: Scaled

    @property
    def won(self) -> np.ndarray:
        """bool [trades]."""
        return self.found.trades["won"].to_numpy(bool)

    def samples(self, index: np.ndarray) -> Samples:
        """One slice as the training loop reads it."""
        x, won, weight = {"features": self.scaled.x}, self.won[index], self.scaled.weight[index]
        return Samples(x, index, won.astype(np.float32), weight)

    def trades(self, index: np.ndarray) -> pd.DataFrame:
        """The trades of one slice, numbered from 0."""
        return self.found.trades.iloc[index].reset_index(drop=True)

    def unscaled(self, index: np.ndarray) -> np.ndarray:
        """float32 [rows, selected features], as a client sends them."""
        return self.found.features[index][:, [self.found.names.index(name) for name in self.scaled.names]]


def slices(found: Candidates, interval: pd.Timedelta, config: RunConfig) -> Slices:
    """Split, select, scale and weigh; what is fitted is fitted on the training slice."""
    cuts = calendar_cuts(found.bar_times, config.split)
    split = split_by_time(found.trades, cuts, interval, config.split.embargo_bars)
    return Slices(found, split, scale(found, split, interval, config.features, config.training.balance_classes))
