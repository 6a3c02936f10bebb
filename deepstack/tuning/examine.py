"""One trial: the config it asks for, trained on every fold before the test slice and judged there."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from deepstack.artifact.atomic import write_atomic
from deepstack.artifact.model import compiled_for_one
from deepstack.candles.market import closes
from deepstack.config.run import RunConfig
from deepstack.errors import DataError, DeepstackError
from deepstack.evaluation.moves import mean_class_auc
from deepstack.evaluation.question import scores
from deepstack.evaluation.returns import DailyReturns
from deepstack.layers.default_seeds import own_seeds
from deepstack.models import catalogue
from deepstack.pipeline.answered import Taken, answered, daily_of, taken
from deepstack.pipeline.market import Source
from deepstack.pipeline.samples import Slices, find, part, slices
from deepstack.pipeline.train import check, train
from deepstack.pipeline.train_members import apart
from deepstack.pipeline.train_network import builder, train_network
from deepstack.pipeline.tried import made_by
from deepstack.samples.folds import make_folds
from deepstack.samples.split import calendar_cuts
from deepstack.training.fit import FitResult
from deepstack.training.warm import Warm
from deepstack.tuning.grow import grown
from deepstack.tuning.outcome import Outcome, read_outcomes, tree_of, write_outcome
from deepstack.tuning.space import Values, with_values

LATENCY_CALLS = 50
Report = Callable[[int, float], bool]
"""(fold, mean score so far) → whether the trial is hopeless."""


def never_hopeless(fold: int, score: float) -> bool:
    """Let every trial see all folds."""
    return False


@dataclass(eq=False)
class Examiner:
    """Runs trials in one process; what they share is made once.

    Attributes:
        config: with the space.
        source: its candles.
        folder: of the search: `trials/` gets the outcomes, `weights/` what later trials begin with.
        keeps_weights: whether later trials may begin with those of this one.
        latency: measure it too.
        worker: name of this process.
    """

    config: RunConfig
    source: Source
    folder: Path
    keeps_weights: bool = False
    latency: bool = False
    worker: str = ""
    _warm: Warm = field(default_factory=Warm)
    _prepared: dict[str, list[Slices]] = field(default_factory=dict)

    def examine(
        self,
        trial: str,
        values: Values,
        *,
        epochs: int | None = None,
        before: str | None = None,
        report: Report = never_hopeless,
    ) -> Outcome:
        """Judge one trial and write its outcome; whatever goes wrong with its config is the outcome.

        Args:
            trial: number.
            values: what the engine picked.
            epochs: to train; the config's by default.
            before: earlier trial of the same values that it goes on from.
            report: asked after every fold but the last.
        """
        started = time.perf_counter()
        outcome = Outcome(trial, "failed", dict(values), worker=self.worker, started_from=before)
        try:
            outcome = self._judged(outcome, epochs, report)
        except DeepstackError as error:
            outcome = replace(outcome, reason=str(error))
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            self._warm = Warm()
            outcome = replace(outcome, reason=f"out of memory: {_first_line(error)}")
        except (ValueError, ArithmeticError, tf.errors.OpError) as error:
            outcome = replace(outcome, reason=f"{type(error).__name__}: {_first_line(error)}")
        outcome = replace(outcome, seconds=time.perf_counter() - started)
        write_outcome(self.folder / "trials", outcome)
        return outcome

    def _judged(self, outcome: Outcome, epochs: int | None, report: Report) -> Outcome:
        config = with_values(self.config, outcome.values)
        if epochs is not None:
            config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
        check(config)
        folds, found, days, made, hopeless = self._folds(config), [], [], [], False
        seconds, trained = 0.0, 0
        fresh = self._fresh(config, folds[0]) if outcome.started_from or config.tuning.grow else None
        started_from = outcome.started_from or (fresh and self._shallower(config, fresh))
        for number, parts in enumerate(folds):
            start = fresh and self._weights(started_from, number, fresh)
            fitted = self._fit(config, parts, start)
            seconds, trained = seconds + fitted.train_s, trained + fitted.epochs
            made.append(made_by(fitted))
            said = answered(config, parts, fitted)
            trades = list(taken(config, parts, said))
            found.append(_score(config, parts, said.test, trades))
            days.append(daily_of(trades, config, self.source.market))
            if self.keeps_weights:
                self._keep(outcome.trial, number, fitted.model.get_weights())
            hopeless = number + 1 < len(folds) and report(number, float(np.mean(found)))
            if hopeless:
                break
        return replace(
            outcome,
            state="pruned" if hopeless else "complete",
            score=float(np.mean(found)),
            folds=tuple(found),
            reason=f"hopeless after {len(found)} of {len(folds)} folds" if hopeless else "",
            training_s=seconds,
            epochs=trained,
            parameters=int(fitted.model.count_params()),
            latency_ms=_latency_ms(fitted.model, folds[0]) if self.latency else None,
            started_from=started_from,
            returns={output: tree_of(daily) for output, daily in _joined(days).items()},
            trainings=sum(one.trainings for one in made),
            ensembles=sum(one.ensembles for one in made),
        )

    def _folds(self, config: RunConfig) -> list[Slices]:
        """The samples of every fold; trials that differ in model and training alone share them."""
        line = catalogue.line_of(config.model)
        key = json.dumps(
            [
                config.model_dump(mode="json", include={"features", "labels", "samples", "seed"}),
                [config.model.name, line.sees, line.when, config.training.balance_classes],
            ]
        )
        if key not in self._prepared:
            self._prepared.clear()
            self._prepared[key] = folds_of(config, self.source)
        return self._prepared[key]

    def _fit(self, config: RunConfig, parts: Slices, start: Sequence[np.ndarray] | None) -> FitResult:
        with tempfile.TemporaryDirectory() as folder:
            if apart(config):
                return train(config, parts, Path(folder))
            return train_network(config, parts, Path(folder), start=start, warm=self._warm)

    def _keep(self, trial: str, fold: int, weights: Sequence[np.ndarray]) -> None:
        path = self._place(trial, fold)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda part: np.savez(part, *weights))

    def _place(self, trial: str, fold: int) -> Path:
        return self.folder / "weights" / f"{trial}-fold{fold}.npz"

    def _fresh(self, config: RunConfig, parts: Slices) -> keras.Model:
        """The network before any training, built once a trial: that of a deep one takes seconds."""
        with own_seeds(config.seed):
            return builder(config, parts)()

    def _kept(self, trial: str, fold: int) -> list[np.ndarray] | None:
        if not self._place(trial, fold).exists():
            return None
        with np.load(self._place(trial, fold), allow_pickle=False) as file:
            return [file[name] for name in file.files]

    def _weights(self, trial: str | None, fold: int, fresh: keras.Model) -> list[np.ndarray] | None:
        """What a fold's training begins with: the other trial's weights of the same fold, grown where need be."""
        kept = None if trial is None else self._kept(trial, fold)
        if kept is None:
            return None
        same = [tuple(v.shape) for v in fresh.weights] == [w.shape for w in kept]
        return kept if same else grown(fresh, kept)

    def _shallower(self, config: RunConfig, fresh: keras.Model) -> str | None:
        """The best finished trial that this one can be grown from."""
        finished = [one for one in read_outcomes(self.folder / "trials") if one.state == "complete"]
        sign = -1.0 if config.tuning.objective == "log_loss" else 1.0
        for one in sorted(finished, key=lambda one: -sign * (one.score or 0.0)):
            kept = self._kept(one.trial, 0)
            if kept is not None and grown(fresh, kept) is not None:
                return one.trial
        return None


def folds_of(config: RunConfig, source: Source) -> list[Slices]:
    """The samples of every fold, all of them known before the test slice begins.

    Raises:
        DataError: a slice of a fold lacks a class.
    """
    found = find(source.market, config, catalogue.line_of(config.model))
    times = closes(source.market)
    # A trial that sees longer windows has later samples and so a later cut; the earliest holds for all.
    cut = min(calendar_cuts(bars, config.split).test for bars in (times, found.seen.bar_times))
    last = cut - config.split.embargo_bars * source.interval
    before = np.flatnonzero((found.labels.samples["end_time"] < last).to_numpy())
    if not len(before):
        raise DataError("samples", expected="some that end before the test slice", received="none", remedy="more bars")
    tabular = found.tabular
    found = replace(
        found,
        labels=found.labels.keep(before),
        seen=replace(found.seen, inputs=part(found.seen.inputs, before)),
        tabular=tabular and replace(tabular, values=tabular.values[before]),
    )
    times = times[times < np.datetime64(cut.tz_convert(None), "ms")]
    splits = make_folds(found.labels.samples, times, source.interval, config.tuning.folds, config.split.embargo_bars)
    return [slices(found.copy(), source.interval, config, split) for split in splits]


def _score(config: RunConfig, parts: Slices, test: np.ndarray, trades: Sequence[Taken]) -> float:
    codes = parts.labels.codes[parts.split.test]
    match config.tuning.objective:
        case "auc":
            found = mean_class_auc(codes, test)
            assert found is not None  # every slice holds every class
            return found
        case "log_loss":
            return float(np.mean([scores(codes[:, k], test[:, k])["log_loss"] for k in range(codes.shape[1])]))
        case "expectancy_r":
            worth = [one.trades["net_r"].to_numpy()[one.chosen] for one in trades]
            return float(np.mean([each.mean() if len(each) else 0.0 for each in worth]))


def _joined(folds: Sequence[dict[str, DailyReturns]]) -> dict[str, DailyReturns]:
    """Output → the returns of all folds on one calendar."""
    found = {}
    for output in folds[0]:
        each = [pd.Series(one[output].values, one[output].days) for one in folds]
        days = pd.date_range(min(s.index[0] for s in each), max(s.index[-1] for s in each), freq="D")
        total = sum((s.reindex(days, fill_value=0.0) for s in each), pd.Series(0.0, days))
        found[output] = DailyReturns(days, total.to_numpy())
    return found


def _latency_ms(model: keras.Model, parts: Slices) -> float:
    one: dict[str, Any] = {name: values[:1] for name, values in parts.examples.items()}
    call, taken_s = compiled_for_one(model), []
    for _ in range(LATENCY_CALLS):
        started = time.perf_counter()
        call(one)
        taken_s.append(time.perf_counter() - started)
    return 1e3 * float(np.median(taken_s))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
