"""From a market to scaled, weighted and split samples: whatever is fitted saw the training slice alone."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError
from deepstack.features.scale import fit_scaler
from deepstack.features.screen import screen_features
from deepstack.features.select import select_features
from deepstack.labels.labelled import Labels, label
from deepstack.labels.weights import class_balance, uniqueness
from deepstack.models import catalogue
from deepstack.models.entry import Model
from deepstack.models.inputs import BASE, WHEN
from deepstack.pipeline.inputs import Seen, nothing_seen, see
from deepstack.pipeline.tabular import Tabular, selected, tabular_of
from deepstack.progress import Progress, no_progress
from deepstack.samples.batches import Array, Samples
from deepstack.samples.scaled import FIT_ROWS, keep_columns, scale_in_place, seen_rows, thinned
from deepstack.samples.split import Split, calendar_cuts, require_every_class, split_by_time
from deepstack.samples.windows import Windows

EXAMPLES = 32
"""Unscaled validation samples kept for the servable's warm-up."""
STOPPING_SHARE = 0.15
"""Of the training samples, the latest, that end the training of what must not meet validation."""


@dataclass(frozen=True, eq=False)
class Found:
    """Labelled samples and what the model sees of them, unscaled.

    Attributes:
        labels: what was asked, and the answers.
        seen: the model's inputs.
        tabular: what the baselines see, where it is not what the model sees.
    """

    labels: Labels
    seen: Seen
    tabular: Tabular | None = None

    def copy(self) -> "Found":
        """The same with matrices of its own, for `slices` to overwrite."""
        inputs = {
            name: Windows(values.values.copy(), values.last, values.length)
            if isinstance(values, Windows)
            else values.copy()
            for name, values in self.seen.inputs.items()
        }
        tabular = None if self.tabular is None else replace(self.tabular, values=self.tabular.values.copy())
        return replace(self, seen=replace(self.seen, inputs=inputs), tabular=tabular)

    @property
    def unseen(self) -> int:
        """Samples left out because the features of their bar, or of one in their window, are not known."""
        return len(self.seen.known) - len(self.labels)


def find(
    market: Market,
    config: RunConfig,
    model: Model,
    progress: Progress = no_progress,
    *,
    names: Sequence[str] | None = None,
) -> Found:
    """Label a market and look at it at every decision as a model of the catalogue does.

    Args:
        names: exactly these features, in this order.

    Raises:
        DataError: no sample can be seen.
    """
    asked = label(market, config.labels)
    seen = see(market, asked.samples, model, config.features, config.samples, names=names, progress=progress)
    if not seen.known.any():
        raise nothing_seen(len(asked), seen.warmup_bars, model, config.samples)
    labels = asked.keep(seen.known)
    if not model.scales_windows or names is not None:
        return Found(labels, seen)
    tabular, known = tabular_of(market, labels.samples, progress)
    if not len(known):
        raise nothing_seen(len(labels), seen.warmup_bars, model, config.samples)
    return Found(labels.keep(known), replace(seen, inputs=part(seen.inputs, known)), tabular)


@dataclass(frozen=True, eq=False)
class Slices:
    """All samples of a run, and which slice each belongs to.

    Attributes:
        labels: what was asked, and the answers.
        split: which samples are for training, validation and test.
        names: the selected features.
        scalers: input → scikit-learn pipeline of those features.
        inputs: input → float32 [samples, …, selected features], scaled.
        y: float32 [samples, outputs, classes + 2]: one-hot answer, outcome and cost in R.
        weight: float32 [samples, outputs]: training rows by uniqueness, all rows balanced by the training priors if
            asked for, each output by its share in the loss.
        priors: float64 [outputs, classes], shares in the training slice; None without balancing.
        examples: unscaled inputs of some validation samples.
        computed: features before selection.
        warmup_bars: cut at the start of every gap-free run.
        in_warmup: samples left out because a bar they see lies in a warm-up or beyond a gap.
        gap_windows: samples left out because a gap, or the end of the data, came before their outcome.
        across_gaps: bars whose window would cross a gap; no sample is taken there.
        tabular: float32 [samples, features], scaled: what the baselines see where the model sees raw candles.
        interval: length of a bar.
    """

    labels: Labels
    split: Split
    names: tuple[str, ...]
    scalers: dict[str, Pipeline]
    inputs: dict[str, np.ndarray | Windows]
    y: np.ndarray
    weight: np.ndarray
    priors: np.ndarray | None
    examples: dict[str, np.ndarray]
    computed: int
    warmup_bars: int
    in_warmup: int
    gap_windows: int
    across_gaps: int
    tabular: np.ndarray | None
    interval: pd.Timedelta

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the inputs, without the batch axis."""
        return {name: tuple(values.shape[1:]) for name, values in self.inputs.items()}

    def samples(self, index: np.ndarray) -> Samples:
        """One slice as the training loop reads it."""
        return Samples(self.inputs, index, self.y[index], self.weight[index])

    def stopped_inside(self, embargo_bars: int) -> "Slices":
        """The training slice alone, divided into what is fitted on and what stops it: validation stays unmet.

        Raises:
            DataError: a part lacks a class.
        """
        inside = self.split.stopped_inside(self.labels.samples, STOPPING_SHARE, embargo_bars * self.interval)
        require_every_class(inside, self.labels.codes, self.labels.classes)
        return replace(self, split=inside)

    def frame(self, index: np.ndarray) -> pd.DataFrame:
        """The samples of one slice, numbered from 0."""
        return self.labels.samples.iloc[index].reset_index(drop=True)


def slices(found: Found, interval: pd.Timedelta, config: RunConfig, split: Split | None = None) -> Slices:
    """Split, select, scale and weigh, fitted on the training slice alone; the found matrices are overwritten.

    Args:
        found: the samples.
        interval: length of a bar.
        config: what to do with them.
        split: of a study's fold; by default the one the config asks for.

    Raises:
        DataError: a slice lacks a class.
    """
    labels, seen = found.labels, found.seen
    if split is None:
        cuts = calendar_cuts(seen.bar_times, config.split)
        split = split_by_time(labels.samples, cuts, interval, config.split.embargo_bars)
    require_every_class(split, labels.codes, labels.classes)
    scales_windows = catalogue.line_of(config.model).scales_windows
    names = config.features.names or _select(seen, labels.codes, split.train, config)
    columns = [seen.names.index(name) for name in names]
    first = split.validation[:EXAMPLES]
    scalers, examples, inputs = {}, {}, {}
    for name, values in seen.inputs.items():
        if name == WHEN:
            examples[name], inputs[name] = values[first], values
            continue
        examples[name] = values[first][..., columns]
        if scales_windows:
            inputs[name] = keep_columns(values, columns)
            continue
        scalers[name] = fit_scaler(seen_rows(values, split.train)[:, columns], config.features)
        inputs[name] = scale_in_place(values, columns, scalers[name])
    weight, priors = _weigh(labels, split, interval, config)
    one_hot = np.eye(len(labels.classes), dtype=np.float32)[labels.codes]
    worth = np.stack([labels.outcome_r, labels.cost_r], axis=-1).astype(np.float32)
    y = np.concatenate([one_hot, worth], axis=-1)
    facts = len(seen.names), seen.warmup_bars, found.unseen, labels.dropped, seen.across_gaps
    tabular = None
    if found.tabular is not None:
        tabular = selected(found.tabular, labels.codes, split.train, config.features, config.seed)[0]
    return Slices(labels, split, names, scalers, inputs, y, weight, priors, examples, *facts, tabular, interval)


def _select(seen: Seen, codes: np.ndarray, train: np.ndarray, config: RunConfig) -> tuple[str, ...]:
    """Names of the features worth keeping, judged at the training decisions in the market's own interval."""
    train = thinned(train, FIT_ROWS, config.seed)
    values = seen.inputs[BASE]
    rows = values.values[values.last[train]] if isinstance(values, Windows) else values[train]
    distinct = select_features(rows, seen.names, config.features)
    kept = rows[:, [seen.names.index(name) for name in distinct]]
    screened = set(screen_features(kept, codes[train], distinct, config.features.max_features))
    _require_known(config.features.keep, seen.names)
    return tuple(name for name in seen.names if name in screened or name in config.features.keep)


def _require_known(keep: Sequence[str], names: Sequence[str]) -> None:
    for name in keep:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise ConfigError(
                "features.keep",
                expected="features that are computed",
                received=repr(name),
                remedy=f"`{near[0]}`" if near else "one of `deepstack features`",
            )


def _weigh(
    labels: Labels, split: Split, interval: pd.Timedelta, config: RunConfig
) -> tuple[np.ndarray, np.ndarray | None]:
    """(weights [samples, outputs], priors [outputs, classes] or None)."""
    train, classes = labels.codes[split.train], len(labels.classes)
    unique = uniqueness(labels.samples.iloc[split.train], interval)
    priors = np.array([np.bincount(codes, minlength=classes) for codes in train.T]) / len(train)
    shares = np.full_like(priors, 1.0 / classes) if config.training.balance_classes else priors
    weight = np.take_along_axis((shares / priors).T, labels.codes.astype(np.int64), axis=0)
    weight[split.train] = np.column_stack(
        [class_balance(codes, unique, share) for codes, share in zip(train.T, shares, strict=True)]
    )
    of_output = np.array(config.labels.horizons.weights or (1.0,) * len(priors))
    of_output = of_output / of_output.sum() if len(priors) > 1 else np.ones(1)
    return (weight * of_output).astype(np.float32), priors if config.training.balance_classes else None


def part(inputs: Mapping[str, Array], index: np.ndarray) -> dict[str, np.ndarray | Windows]:
    """The same inputs of some samples; windows stay indices."""
    return {
        name: Windows(values.values, values.last[index], values.length)
        if isinstance(values, Windows)
        else values[index]
        for name, values in inputs.items()
    }
