"""What a run would cost, before it is begun."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.architecture import count_layers
from deepstack.candles.market import Market
from deepstack.config.features import FeaturesConfig
from deepstack.config.run import RunConfig
from deepstack.features._market import carried_by
from deepstack.features.catalogue import choose
from deepstack.features.feature import Feature
from deepstack.labels.labelled import Labels, label
from deepstack.models import catalogue
from deepstack.models.ensemble.ensemble import line_of_member
from deepstack.models.heads import Head, head_of
from deepstack.models.inputs import input_shapes
from deepstack.models.options import read_options
from deepstack.pipeline.flops import forward_flops
from deepstack.pipeline.inputs import coarser, see
from deepstack.pipeline.market import load_source
from deepstack.pipeline.member import ensemble_of
from deepstack.pipeline.memory import machine_memory_mb
from deepstack.pipeline.train import check
from deepstack.samples.split import calendar_cuts, split_by_time
from deepstack.training.losses import make_loss
from deepstack.training.prepare import prepare

COPIES_OF_WEIGHTS = 5
"""Weights, gradient, two optimizer slots, best weights."""
COPIES_IN_TRIAL = 4
"""All but the best weights: a trial of the whole model has had them."""
COPIES_OF_TABLE = 1.3
"""Peak memory of computing the feature table, in tables (benchmarks/features.py)."""
TRIAL_STEPS = 8

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Plan:
    """The cost of a run.

    Attributes:
        model: catalogue name.
        features: inputs assumed; selection may drop some.
        layers: counted layers.
        parameters: all weights, statistics included.
        flops_per_sample: operations of one forward pass for one sample; None when they cannot be counted.
        memory_mb: resident memory of training under the config's checkpoint policy, the runtime's own included; that of
            the weights alone when `memory_of` says so.
        memory_of: `estimate`, from a formula; `trial`, measured in trial steps; `weights`, activations unknown.
        memory_everything_mb: the estimate if every product were kept; None without a formula.
        features_mb: resident memory while the features of all bars are computed, before training.
        batch_size: samples a step.
        step_s: estimated seconds of one training step; None when the model is too large to try a slice of it.
        steps: training steps of all epochs, if early stopping does not end them.
        pretraining_steps: steps of the first training of generative models, an ensemble's members included.
        data: what was found: symbols, bars, candidate trades.
    """

    model: str
    features: int
    layers: int
    parameters: int
    flops_per_sample: float | None
    memory_mb: float
    memory_of: Literal["estimate", "trial", "weights"]
    memory_everything_mb: float | None
    features_mb: float
    batch_size: int
    step_s: float | None
    steps: int
    pretraining_steps: int
    data: str

    def lines(self) -> list[str]:
        """Plain text for the terminal."""
        flop = self.flops_per_sample and self.flops_per_sample / 1e6
        work = [] if flop is None else [f"work        {flop:,.1f} MFLOP a sample forward, {3 * flop:,.1f} trained"]
        return [
            f"data        {self.data}",
            f"model       {self.model}: {self.layers:,} counted layers, {self.parameters:,} parameters, "
            f"{self.features} features",
            *work,
            f"memory      {self._memory()}; {self.features_mb:,.0f} MB while features are computed",
            f"time        {self._time()}; reading, features, baselines and export come on top",
        ]

    def _memory(self) -> str:
        if self.memory_of == "weights":
            return f"more than {self.memory_mb:,.0f} MB in training: that is the weights, and activations come on top"
        text = f"{self.memory_mb:,.0f} MB in training as configured"
        if self.memory_everything_mb is not None:
            text += f", {self.memory_everything_mb:,.0f} MB with every product kept"
        return text

    def _time(self) -> str:
        steps = f"{self.steps:,} steps of {self.batch_size} samples"
        before = f"; before it {self.pretraining_steps:,} steps of pre-training" if self.pretraining_steps else ""
        if self.step_s is None:
            return f"training: {steps}, not timed: the model is too large for a trial here{before}"
        seconds = _span(self.step_s * self.steps)
        return f"training: about {seconds}, {steps} of {self.step_s:.3f} s, less if it stops early{before}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:,.1f} minutes"


def plan(config: RunConfig, *, measure: bool = True) -> Plan:
    """Work out the cost of a run from its candles; nothing is trained beyond a few trial steps.

    A model of any depth is tried in two shallow copies, any other as it is.

    Args:
        config: the run.
        measure: take those steps; without them there is no `step_s`, and the memory of a model that is not of any depth
            is that of the weights alone.
    """
    check(config)
    entry, head = catalogue.line_of(config.model), head_of(config.labels, config.model)
    options: Any = read_options(entry.config, config.model.options)
    market = load_source(config).market
    coarser(config.samples.timeframes, entry.sees, next(iter(market.values())).interval)
    labels = label(market, config.labels)
    chosen = choose(config.features, carried_by(market))
    computed = (*chosen, *choose(FeaturesConfig(), carried_by(market))) if entry.scales_windows else chosen
    features = min(len(chosen), config.features.max_features)
    bars = sum(len(candles) for candles in market.values())
    shapes = shapes_of(config, entry, features)
    layers, parameters = count(config.model.name, shapes, head, config.model.options)
    batch = config.training.batch_size if isinstance(config.training.batch_size, int) else 256
    small = parameters * 4 < 2e9 and _memory_mb(parameters, 0.0) < machine_memory_mb()
    trial = partial(_timed_step, config, entry, shapes, head, batch) if measure and small else None
    training, samples_a_step = config.training, batch * config.training.accumulate_steps
    # Counted first: windows that fit nowhere are told before a trial on them.
    steps_an_epoch = _training_samples(config, entry, market, labels, computed) // samples_a_step
    # Timed before the memory is asked for: the trial compiles what training will, and that stays with the process.
    step_s = None if trial is None else _step_seconds(trial, entry, options)
    return Plan(
        model=config.model.name,
        features=features,
        layers=layers,
        parameters=parameters,
        flops_per_sample=entry.cost.flops_per_sample(features, options)
        if entry.cost
        else forward_flops(partial(entry.build, shapes, head, options)),
        **_memory_of(parameters, batch, entry, options, tried=step_s is not None),
        features_mb=_memory_mb(0, COPIES_OF_TABLE * 4 * bars * len(computed)),
        batch_size=samples_a_step,
        step_s=None if step_s is None else step_s * training.accumulate_steps,
        steps=training.epochs * steps_an_epoch,
        pretraining_steps=training.pretrain_epochs * steps_an_epoch * _foreseeing(config, entry),
        data=f"{len(market)} symbols, {bars:,} bars, {len(labels):,} samples",
    )


def _foreseeing(config: RunConfig, entry: catalogue.Model) -> int:
    """How many networks learn to foresee bars first: the model itself, or members of an ensemble."""
    ensemble = ensemble_of(config)
    if ensemble is None:
        return int(entry.generator is not None)
    once = sum(line_of_member(ensemble, model).generator is not None for model in ensemble.models)
    return once * (ensemble.copies if ensemble.copies_by == "seeds" else 1)


def _training_samples(
    config: RunConfig, entry: catalogue.Model, market: Market, labels: Labels, chosen: Sequence[Feature]
) -> int:
    """Size of the training slice: the feature that looks back furthest knows the warm-up and the gaps of all."""
    furthest = max(chosen, key=lambda feature: feature.lookback_bars)
    seen = see(market, labels.samples, entry, config.features, config.samples, names=[furthest.name])
    interval = next(iter(market.values())).interval
    cuts = calendar_cuts(seen.bar_times, config.split)
    return len(split_by_time(labels.keep(seen.known).samples, cuts, interval, config.split.embargo_bars).train)


def shapes_of(config: RunConfig, entry: catalogue.Model, features: int) -> dict[str, tuple[int, ...]]:
    """Input shapes of a config's model."""
    samples = config.samples
    return input_shapes(entry.sees, features, samples.window_bars, samples.timeframes, when=entry.when)


def count(name: str, shapes: Shapes, head: Head, options: Mapping[str, Any]) -> tuple[int, int]:
    """(counted layers, parameters) of a model, built without giving its weights memory."""
    with keras.StatelessScope(initialize_variables=False):
        model = catalogue.build(name, shapes, head, options)
        found = count_layers(model), int(sum(np.prod(v.shape) for v in model.weights))
    keras.utils.clear_session()
    return found


def _memory_of(parameters: int, batch: int, entry: catalogue.Model, options: Any, *, tried: bool) -> dict[str, Any]:
    """The plan's memory of training: by the model's formula, or as the trial left it, or of the weights alone."""
    if entry.cost is None:
        copies = COPIES_OF_WEIGHTS - COPIES_IN_TRIAL if tried else COPIES_OF_WEIGHTS
        found = {"memory_mb": _memory_mb(parameters, 0.0, copies), "memory_of": "trial" if tried else "weights"}
        return found | {"memory_everything_mb": None}
    kept = (batch * entry.cost.bytes_per_sample(one) for one in (options, entry.cost.keep_everything(options)))
    mine, everything = (_memory_mb(parameters, activations) for activations in kept)
    return {"memory_mb": mine, "memory_of": "estimate", "memory_everything_mb": everything}


def _memory_mb(parameters: int, activations_bytes: float, copies: int = COPIES_OF_WEIGHTS) -> float:
    """Resident memory of this process at its most, plus copies of the weights and what a step keeps."""
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return now + (copies * 4 * parameters + activations_bytes) / 1e6


def _step_seconds(trial: Callable[[Any], float], entry: catalogue.Model, options: Any) -> float:
    """Time the model, or two shallow copies and extend the line through them to the full depth."""
    if entry.cost is None:
        return trial(options)
    depth = entry.cost.depth(options)
    shallow, deep = (min(depth, 10), min(depth, 60))
    times = [trial(entry.cost.at_depth(options, d)) for d in {shallow, deep}]
    if len(times) == 1:
        return times[0]
    first, second = sorted(times)
    return first + (second - first) / (deep - shallow) * (depth - shallow)


def _timed_step(
    config: RunConfig, entry: catalogue.Model, shapes: Shapes, head: Head, batch: int, options: Any
) -> float:
    """Median seconds of a training step of the very loop that `fit` runs, after compilation."""
    training = config.training.model_copy(update={"batch_size": batch, "accumulate_steps": 1})
    build, loss = partial(entry.build, shapes, head, options), make_loss(head, training)
    ready = prepare(build, training, loss, tf.distribute.get_strategy(), "float32", batch, config.seed, None, entry.xla)
    random = np.random.default_rng(config.seed)
    x = {
        tensor.name: tf.constant(random.normal(size=(1, batch, *tensor.shape[1:])).astype(tensor.dtype))
        for tensor in ready.model.inputs
    }
    codes = random.integers(head.classes, size=(1, batch, len(head.names)))
    y = tf.constant(np.concatenate([np.eye(head.classes)[codes], np.zeros((*codes.shape, 2))], axis=-1), tf.float32)
    weight = tf.ones(codes.shape)
    seconds = []
    for _ in range(TRIAL_STEPS):
        started = time.perf_counter()
        ready.train_step((x, y, weight)).numpy()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))
