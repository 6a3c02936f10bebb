"""Links of the network: each row answered by itself, nothing seen ahead in a window, and the whole chain at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from deepstack.artifact.model import raw_outputs
from deepstack.audit.findings import Link, Offence
from deepstack.audit.futures import FUTURES, window
from deepstack.candles.interval import parse_interval
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.errors import DataError
from deepstack.features.catalogue import EVERYTHING
from deepstack.labels import labelled
from deepstack.models import catalogue
from deepstack.models.inputs import WHEN
from deepstack.pipeline import inputs as pipeline_inputs
from deepstack.pipeline.predict import Inputs, Predictor
from deepstack.pipeline.samples import part

ROUNDING = 1e-6
"""Of a probability: a float32 product rounds otherwise for another number of rows."""
MOST_ROWS = 4096
CUTS = 6
AHEAD_BARS = 32


@dataclass(frozen=True)
class Served:
    """A model in both its forms.

    Attributes:
        predictor: the artifact in Python.
        saved_model: folder of the version that TensorFlow Serving loads.
    """

    predictor: Predictor
    saved_model: Path

    def signature(self) -> Callable[..., Mapping[str, Any]]:
        """`serving_default`."""
        return tf.saved_model.load(str(self.saved_model)).signatures["serving_default"]


def audit_rows(served: Served, inputs: Inputs) -> Link:
    """What the network says of a sample does not depend on the others it is asked with, in Python and when served."""
    name = "network, row by row"
    count = min(len(next(iter(inputs.values()))), MOST_ROWS)
    if count < 2:
        return Link(name, "", skipped="fewer than two samples")
    given = {key: values[np.arange(count)] for key, values in inputs.items()}
    predictor, call = served.predictor, served.signature()
    forms: dict[str, Callable[[dict[str, np.ndarray]], np.ndarray]] = {
        "the network": lambda x: raw_outputs(predictor.network, predictor.scale(_copied(x)), count),
        "the SavedModel": lambda x: call(**{k: tf.constant(v) for k, v in x.items()})["probability"].numpy(),
    }
    for what, answer in forms.items():
        whole = answer(given)
        for kept in (0, 1):
            mixed = answer(_others_replaced(given, kept))
            apart = np.abs(whole[kept::2] - mixed[kept::2]).reshape(len(whole[kept::2]), -1).max(axis=1)
            if not (apart <= ROUNDING * np.maximum(1.0, np.abs(whole[kept::2]).max())).all():
                row = 2 * int(np.argmax(~(apart <= ROUNDING))) + kept
                how = f"moved by {np.nanmax(apart):.2g} with the other samples of its batch"
                return Link(name, f"{count:,} rows", Offence(what, f"sample {row}", how))
    return Link(name, f"{count:,} samples × 2 forms, within {ROUNDING:g}")


def audit_causal_layers(network: keras.Model, config: RunConfig) -> Link:
    """A layer that claims to see no later step has a Jacobian of exactly zero there."""
    name = "causal layers"
    entry = catalogue.find(config.model.name)
    if entry.causal is None:
        return Link(name, "", skipped=f"{config.model.name} claims none: it reads its window whole")
    sequence = keras.Model(network.input, network.get_layer(entry.causal).output)
    random = np.random.default_rng(0)
    inputs = {
        key: tf.constant(random.normal(size=(1, *tensor.shape[1:])), tensor.dtype)
        for key, tensor in network.input.items()
    }
    key = next(key for key in inputs if key != WHEN)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs[key])
        steps = tf.unstack(sequence(inputs, training=False), axis=1)
        squares = [tf.reduce_sum(step**2) for step in steps]
    covers = f"{entry.causal}: {len(steps)} × {inputs[key].shape[1]} steps"
    for step, square in enumerate(squares):
        moved = np.abs(tape.gradient(square, inputs[key]).numpy()).max(axis=(0, 2)) > 0.0
        if moved[step + 1 :].any():
            later = int(np.argmax(moved[step + 1 :])) + 1
            how = f"moves with the input {later} step{'s' * (later > 1)} later"
            return Link(name, covers, Offence(entry.causal, f"step {step}", how))
    return Link(name, covers)


def audit_end_to_end(served: Served, market: Market, moments: pd.DataFrame) -> Link:
    """Features, probabilities, decisions and the SavedModel's outputs up to a moment, with all later bars replaced.

    Args:
        served: the model.
        market: the candles.
        moments: symbol and decision_time of samples; some of the decision times are looked at.
    """
    name = "end to end"
    config = served.predictor.artifact.config
    interval = next(iter(market.values())).interval
    past = _past_bars(config, served.predictor, interval)
    times = pd.DatetimeIndex(moments["decision_time"]).unique()
    times = times[np.linspace(0, len(times) - 1, CUTS + 2).astype(int)[1:-1]]
    call, rows = served.signature(), 0
    for moment in times:
        around = window(market, moment - past * interval, moment + AHEAD_BARS * interval)
        before = _say(served, around, moment, call)
        for future, change in FUTURES.items():
            after = _say(served, change(around, moment, 2), moment, call)
            moved = _moved(before, after)
            if moved:
                how = f"moved when later bars became {future}"
                return Link(name, f"{rows:,} decisions", Offence(moved, moment.isoformat(), how))
        rows += len(before["signals"])
    if not rows:
        return Link(name, "", skipped="no decision at the moments looked at")
    return Link(name, f"{rows:,} decisions up to {len(times)} moments × {len(FUTURES)} futures, within {ROUNDING:g}")


def _past_bars(config: RunConfig, predictor: Predictor, interval: pd.Timedelta) -> int:
    warmup = max(EVERYTHING[name].lookback_bars for name in predictor.artifact.features)
    coarsest = max([interval, *(parse_interval(text, "samples.timeframes") for text in config.samples.timeframes)])
    factor = int(coarsest / interval)
    labels = max(config.labels.channel_bars, config.labels.atr_bars, config.labels.horizons.volatility_bars)
    return (warmup + config.samples.window_bars + 4) * factor + labels + 64


def _say(
    served: Served, market: Market, moment: pd.Timestamp, call: Callable[..., Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """All that is said at or before a moment."""
    predictor = served.predictor
    try:
        signals, inputs = unscaled_inputs(predictor, market)
    except DataError:
        return {"signals": np.empty((0, 0))}
    early = np.flatnonzero(signals["decision_time"] <= moment)
    if not len(early):
        return {"signals": np.empty((0, 0))}
    cut = {key: values[np.arange(len(values))] for key, values in part(inputs, early).items()}
    table = predictor.framed(signals.iloc[early].reset_index(drop=True), predictor.scale(_copied(cut)))
    exported = call(**{key: tf.constant(values) for key, values in cut.items()})
    return {
        **{f"input {key}": values for key, values in cut.items()},
        "signals": table.select_dtypes(exclude="float").to_numpy(),
        "probability": table.select_dtypes("float").drop(columns="position").to_numpy(),
        **{f"served {key}": values.numpy() for key, values in exported.items()},
    }


def unscaled_inputs(predictor: Predictor, market: Market) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Decisions that can be made in the candles, and what the network is given of them, unscaled."""
    artifact = predictor.artifact
    moments = pd.concat([labelled.decision_rows(candles, artifact.config.labels) for candles in market.values()])
    moments = moments.sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True)
    entry, config = catalogue.find(artifact.config.model.name), artifact.config
    seen = pipeline_inputs.see(market, moments, entry, config.features, config.samples, names=artifact.features)
    return moments[seen.known].reset_index(drop=True), seen.inputs


def _moved(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> str:
    """What differs; inputs and decisions in any bit, probabilities beyond rounding."""
    for key, ours in before.items():
        theirs = after.get(key)
        if theirs is None or ours.shape != theirs.shape:
            return key
        exact = key == "signals" or key.startswith("input") or ours.dtype.kind not in "f"
        same = np.array_equal(ours, theirs) if exact else _close(ours, theirs)
        if not same:
            return key
    return ""


def _close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return np.allclose(ours, theirs, rtol=0.0, atol=ROUNDING, equal_nan=True)


def _others_replaced(given: Mapping[str, np.ndarray], kept: int) -> dict[str, np.ndarray]:
    """Every second sample replaced by noise of another scale."""
    random = np.random.default_rng(kept)
    mixed = {}
    for key, values in given.items():
        mixed[key] = values.copy()
        if values.dtype.kind == "f":
            wild = random.normal(size=mixed[key][1 - kept :: 2].shape)
            mixed[key][1 - kept :: 2] = values.mean(axis=0) + 5.0 * (values.std(axis=0) + 1e-3) * wild
    return mixed


def _copied(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: values.copy() for key, values in inputs.items()}
