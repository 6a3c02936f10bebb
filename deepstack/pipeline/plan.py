"""What a run would cost, before it is begun."""

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.architecture import count_layers
from deepstack.config.run import RunConfig
from deepstack.features._market import carried_by
from deepstack.features.catalogue import choose
from deepstack.labels.breakout import label_and_count
from deepstack.models import catalogue
from deepstack.models.heads import BinaryHead
from deepstack.models.options import read_options
from deepstack.pipeline.market import load_source
from deepstack.pipeline.memory import machine_memory_mb
from deepstack.training.losses import binary_cross_entropy
from deepstack.training.prepare import prepare

COPIES_OF_WEIGHTS = 5
"""Weights, gradient, two optimizer slots, best weights."""
COPIES_OF_TABLE = 1.3
"""Peak memory of computing the feature table, in tables (benchmarks/features.py)."""
TRIAL_STEPS = 8


@dataclass(frozen=True)
class Plan:
    """The cost of a run.

    Attributes:
        model: catalogue name.
        features: inputs assumed; selection may drop some.
        layers: counted layers.
        parameters: all weights, statistics included.
        flops_per_sample: operations of one forward pass for one sample.
        memory_mb: resident memory of training under the config's checkpoint policy, the runtime's own included.
        memory_everything_mb: the same if every product were kept.
        features_mb: resident memory while the features of all bars are computed, before training.
        batch_size: samples a step.
        step_s: estimated seconds of one training step; None when the model is too large to try a slice of it.
        steps: training steps of all epochs, if early stopping does not end them.
        data: what was found: symbols, bars, candidate trades.
    """

    model: str
    features: int
    layers: int
    parameters: int
    flops_per_sample: float
    memory_mb: float
    memory_everything_mb: float
    features_mb: float
    batch_size: int
    step_s: float | None
    steps: int
    data: str

    def lines(self) -> list[str]:
        """Plain text for the terminal."""
        time = f"{self.steps:,} steps of {self.batch_size} samples"
        if self.step_s is None:
            time += ", not timed: the model is too large for a trial here"
        else:
            time += (
                f" of {self.step_s:.3f} s: about {_span(self.step_s * self.steps)} of training unless it stops early"
            )
        flop, memory = self.flops_per_sample / 1e6, (self.memory_mb, self.memory_everything_mb)
        return [
            f"data        {self.data}",
            f"model       {self.model}: {self.layers:,} counted layers, {self.parameters:,} parameters, "
            f"{self.features} features",
            f"work        {flop:,.1f} MFLOP a sample forward, {3 * flop:,.1f} trained",
            f"memory      {memory[0]:,.0f} MB in training as configured, {memory[1]:,.0f} MB with every product kept; "
            f"{self.features_mb:,.0f} MB while features are computed",
            f"time        {time}",
        ]


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:,.1f} minutes"


def plan(config: RunConfig, *, measure: bool = True) -> Plan:
    """Work out the cost of a run from its candles; nothing is trained beyond a few trial steps of two shallow copies.

    Args:
        config: the run.
        measure: time a shallow copy for `step_s`.
    """
    entry = catalogue.find(config.model.name)
    options: Any = read_options(entry.config, config.model.options)
    market = load_source(config).market
    trades, _ = label_and_count(market, config.labels)
    computed = len(choose(config.features, carried_by(market)))
    features = min(computed, config.features.max_features)
    bars = sum(len(candles) for candles in market.values())
    layers, parameters = count(config.model.name, config.model.options, features)
    batch = config.training.batch_size if isinstance(config.training.batch_size, int) else 256
    activations = batch * entry.bytes_per_sample(options)
    small = parameters * 4 < 2e9 and _memory_mb(parameters, activations) < machine_memory_mb()
    # Timed first: the trial compiles what training will compile, and the memory of that stays with the process.
    step_s = _step_seconds(config, entry, options, features, batch) if measure and small else None
    return Plan(
        model=config.model.name,
        features=features,
        layers=layers,
        parameters=parameters,
        flops_per_sample=entry.flops_per_sample(features, options),
        memory_mb=_memory_mb(parameters, activations),
        memory_everything_mb=_memory_mb(parameters, batch * entry.bytes_per_sample(entry.keep_everything(options))),
        features_mb=_memory_mb(0, COPIES_OF_TABLE * 4 * bars * computed),
        batch_size=batch,
        step_s=step_s,
        steps=config.training.epochs
        * (int(len(trades) * config.split.train) // (batch * config.training.accumulate_steps)),
        data=f"{len(market)} symbols, {bars:,} bars, {len(trades):,} candidate trades",
    )


def count(name: str, options: Mapping[str, Any], features: int) -> tuple[int, int]:
    """(counted layers, parameters) of a model, built without giving its weights memory."""
    with keras.StatelessScope(initialize_variables=False):
        model = catalogue.build(name, {"features": (features,)}, "binary", options)
        found = count_layers(model), int(sum(np.prod(v.shape) for v in model.weights))
    keras.utils.clear_session()
    return found


def _memory_mb(parameters: int, activations_bytes: float) -> float:
    """Resident memory of this process now, plus the copies of the weights and what a step keeps."""
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return now + (COPIES_OF_WEIGHTS * 4 * parameters + activations_bytes) / 1e6


def _step_seconds(config: RunConfig, entry: catalogue.Model, options: Any, features: int, batch: int) -> float:
    """Time two shallow copies and extend the line through them to the full depth."""
    depth = entry.depth(options)
    shallow, deep = (min(depth, 10), min(depth, 60))
    times = [_timed_step(config, entry, entry.at_depth(options, d), features, batch) for d in {shallow, deep}]
    if len(times) == 1:
        return times[0]
    first, second = sorted(times)
    return first + (second - first) / (deep - shallow) * (depth - shallow)


def _timed_step(config: RunConfig, entry: catalogue.Model, options: Any, features: int, batch: int) -> float:
    """Median seconds of a training step of the very loop that `fit` runs, after compilation."""
    training = config.training.model_copy(update={"batch_size": batch, "accumulate_steps": 1})
    build = partial(entry.build, {"features": (features,)}, BinaryHead(), options)
    ready = prepare(
        build, training, binary_cross_entropy(), tf.distribute.get_strategy(), "float32", batch, config.seed, None
    )
    x = tf.random.stateless_normal((1, batch, features), (0, config.seed))
    y = tf.cast(x[:, :, 0] > 0, tf.float32)
    seconds = []
    for _ in range(TRIAL_STEPS):
        started = time.perf_counter()
        ready.train_step(({"features": x} if isinstance(ready.model.input, dict) else x, y, tf.ones_like(y))).numpy()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))
