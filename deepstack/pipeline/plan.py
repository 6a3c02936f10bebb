"""What a run would cost, before it is begun."""

import resource
import time
from collections.abc import Callable, Mapping
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
from deepstack.labels.labelled import label
from deepstack.models import catalogue
from deepstack.models.heads import Head, head_of
from deepstack.models.inputs import input_shapes
from deepstack.models.options import read_options
from deepstack.pipeline.inputs import coarser
from deepstack.pipeline.market import load_source
from deepstack.pipeline.memory import machine_memory_mb
from deepstack.pipeline.train import check
from deepstack.training.losses import make_loss
from deepstack.training.prepare import prepare

COPIES_OF_WEIGHTS = 5
"""Weights, gradient, two optimizer slots, best weights."""
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
            time += f" of {self.step_s:.3f} s: about {_span(self.step_s * self.steps)}, less if it stops early"
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
    """Work out the cost of a run from its candles; nothing is trained beyond a few trial steps.

    A model of any depth is tried in two shallow copies, any other as it is.

    Args:
        config: the run.
        measure: take those steps; without them there is no `step_s`, and the memory of a model that is not of any depth
            is that of the weights alone.
    """
    check(config)
    entry, head = catalogue.find(config.model.name), head_of(config.labels, config.model)
    options: Any = read_options(entry.config, config.model.options)
    market = load_source(config).market
    coarser(config.samples.timeframes, entry.sees, next(iter(market.values())).interval)
    labels = label(market, config.labels)
    computed = len(choose(config.features, carried_by(market)))
    features = min(computed, config.features.max_features)
    bars = sum(len(candles) for candles in market.values())
    shapes = shapes_of(config, entry, features)
    layers, parameters = count(config.model.name, shapes, head, config.model.options)
    batch = config.training.batch_size if isinstance(config.training.batch_size, int) else 256
    small = parameters * 4 < 2e9 and _memory_mb(parameters, 0.0) < machine_memory_mb()
    trial = partial(_timed_step, config, entry, shapes, head, batch) if measure and small else None
    # Timed first: the trial compiles what training will compile, and the memory of that stays with the process.
    step_s = None if trial is None else _step_seconds(trial, entry, options)
    memory_mb = [_memory_mb(parameters, 0.0)] * 2
    if entry.cost is not None:
        policies = options, entry.cost.keep_everything(options)
        memory_mb = [_memory_mb(parameters, batch * entry.cost.bytes_per_sample(one)) for one in policies]
    return Plan(
        model=config.model.name,
        features=features,
        layers=layers,
        parameters=parameters,
        flops_per_sample=entry.cost.flops_per_sample(features, options)
        if entry.cost
        else forward_flops(entry, shapes, head, options),
        memory_mb=memory_mb[0],
        memory_everything_mb=memory_mb[1],
        features_mb=_memory_mb(0, COPIES_OF_TABLE * 4 * bars * computed),
        batch_size=batch,
        step_s=step_s,
        steps=config.training.epochs
        * (int(len(labels) * config.split.train) // (batch * config.training.accumulate_steps)),
        data=f"{len(market)} symbols, {bars:,} bars, {len(labels):,} samples",
    )


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


def forward_flops(entry: catalogue.Model, shapes: Shapes, head: Head, options: Any) -> float:
    """Operations of a forward pass of one sample, as TensorFlow's profiler counts them; a loop's body counts once."""
    model = entry.build(shapes, head, options)
    specs = {tensor.name: tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs}
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(specs).graph
    quiet = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    counted = tf.compat.v1.profiler.profile(graph, options=quiet.with_empty_output().build())
    return float(counted.total_float_ops)


def _memory_mb(parameters: int, activations_bytes: float) -> float:
    """Resident memory of this process now, plus the copies of the weights and what a step keeps."""
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return now + (COPIES_OF_WEIGHTS * 4 * parameters + activations_bytes) / 1e6


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
