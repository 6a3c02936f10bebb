"""The whole chain at once, at every row of a stretch: no answer may move when the bars after it do."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from deepstack.audit.features import SYMBOLS_AT_AN_EDGE, Stretch, blocks, trades_at
from deepstack.audit.findings import Link, Offence
from deepstack.audit.futures import FUTURES, reaching
from deepstack.audit.network import ROUNDING, Served, copied
from deepstack.candles.interval import parse_interval
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.errors import DataError
from deepstack.evaluation.question import strength
from deepstack.features.catalogue import EVERYTHING
from deepstack.pipeline.predict import Predictor
from deepstack.progress import Progress, no_progress

NAME = "end to end"
AHEAD_BARS = 32


@dataclass(frozen=True, eq=False)
class Said:
    """All that is known and answered at some rows.

    Attributes:
        rows: (symbol, close) of each.
        values: link of the chain → one value a row: inputs and scaled inputs, the model's own outputs, calibrated
            probabilities, answers, and the outputs of the SavedModel.
        open: bool [rows], whether the answer hangs on less than rounding.
        features: names of the inputs' last axis.
    """

    rows: pd.MultiIndex
    values: Mapping[str, np.ndarray]
    open: np.ndarray
    features: tuple[str, ...]


def audit_end_to_end(served: Served, market: Market, stretch: Stretch, progress: Progress = no_progress) -> Link:
    """Inputs, outputs, probabilities, decisions and what the SavedModel says at every row, all later bars replaced.

    The model is asked at every close for every symbol, whether or not a decision is due there. Inputs must be the same
    in every bit, outputs within rounding.

    Args:
        served: the model.
        market: the candles.
        stretch: the rows.
        progress: told of every row.
    """
    config, interval = served.predictor.artifact.config, next(iter(market.values())).interval
    past, call = _past_bars(config, served.predictor, interval), served.signature()
    rows, edges, done, total = 0, 0, 0, len(stretch.moments) + len(stretch.edges)
    for some, block, edge in _places(market, stretch):
        first = block[0] - past * interval
        around = reaching(some, first, block[-1], AHEAD_BARS)
        before = _say(served, around, block, call)
        for moment in block:
            for future, change in FUTURES.items():
                changed = change(reaching(around, first, moment, AHEAD_BARS), moment, 2)
                asked = block[block <= moment] if future == "truncation" else block
                after = _say(served, changed, asked, call, 0 if before is None else len(before.rows))
                offence = _moved(before, after, moment, future, interval)
                if offence:
                    return Link(NAME, _covers(rows, edges, stretch), offence)
            done += 1
            progress("audit end to end", done, total)
        if before is not None:
            rows, edges = rows + len(before.rows), edges + (edge in before.rows)
    if not rows:
        return Link(NAME, "", skipped="no row of the stretch can be seen by the model")
    return Link(NAME, _covers(rows, edges, stretch))


def _covers(rows: int, edges: int, stretch: Stretch) -> str:
    return (
        f"{rows:,} rows at {len(stretch.moments):,} closes and {edges:,} edges of runs, candles to SavedModel, "
        f"× {len(FUTURES)} futures, within {ROUNDING:g}"
    )


def _places(
    market: Market, stretch: Stretch
) -> Iterator[tuple[Market, pd.DatetimeIndex, tuple[str, pd.Timestamp] | None]]:
    """Candles to look at, closes to ask at and the edge that they are: blocks of the stretch, then each edge."""
    for block in blocks(stretch.moments):
        yield market, block, None
    for symbol, moment in stretch.edges:
        others = sorted(
            (name for name in market if name != symbol), key=lambda name: not trades_at(market[name], moment)
        )
        few = {name: market[name] for name in (symbol, *others)[:SYMBOLS_AT_AN_EDGE]}
        yield few, pd.DatetimeIndex([moment]), (symbol, moment)


def _past_bars(config: RunConfig, predictor: Predictor, interval: pd.Timedelta) -> int:
    warmup = max(EVERYTHING[name].lookback_bars for name in predictor.artifact.features)
    coarsest = max([interval, *(parse_interval(text, "samples.timeframes") for text in config.samples.timeframes)])
    return (warmup + config.samples.window_bars + 4) * int(coarsest / interval) + 64


def _say(
    served: Served,
    market: Market,
    moments: pd.DatetimeIndex,
    call: Callable[..., Mapping[str, Any]],
    count: int = 0,
) -> Said | None:
    """What is said at these closes of every symbol that trades then; None where nothing can be.

    Args:
        count: of rows to ask the model for at least: for fewer rows a product may be summed up in another order, and a
            deep network makes much of little.
    """
    asked = [
        pd.DataFrame({"symbol": symbol, "decision_time": moments[moments.isin(candles.frame.index)]})
        for symbol, candles in market.items()
    ]
    frame = pd.concat(asked).sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True)
    predictor = served.predictor
    try:
        seen = predictor.see(market, frame)
    except DataError:
        return None
    if not seen.known.any():
        return None
    frame = frame[seen.known].reset_index(drop=True)
    asked_for = np.minimum(np.arange(max(count, len(frame))), len(frame) - 1)
    inputs = {key: values[asked_for] for key, values in seen.inputs.items()}
    scaled = predictor.scale(copied(inputs))
    exported = call(**{key: tf.constant(values) for key, values in inputs.items()})
    raw = np.asarray(predictor.raw(scaled))[: len(frame)]
    probability = predictor.decoded(raw)
    table = predictor.answered(frame, raw)
    answers = table.select_dtypes(exclude="float").drop(columns=["symbol", "decision_time"]).to_numpy()
    values = {
        **{f"input {key}": each[: len(frame)] for key, each in inputs.items()},
        **{f"scaled {key}": np.asarray(each)[: len(frame)] for key, each in scaled.items()},
        "model output": raw,
        "probability": probability,
        "decision": answers.reshape(len(frame), -1),
        **{f"served {key}": each.numpy()[: len(frame)] for key, each in exported.items()},
    }
    rows = pd.MultiIndex.from_frame(frame[["symbol", "decision_time"]])
    return Said(rows, values, _open(probability, predictor.artifact.thresholds), predictor.artifact.features)


def _open(probability: np.ndarray, thresholds: tuple[float, ...]) -> np.ndarray:
    """Where a threshold or a likelier class is nearer than rounding."""
    found = np.zeros(len(probability), bool)
    for k, threshold in enumerate(thresholds):
        of_output = np.sort(probability[:, k], axis=1)
        found |= np.abs(strength(probability[:, k]) - threshold) <= 2 * ROUNDING
        found |= of_output[:, -1] - of_output[:, -2] <= 2 * ROUNDING
    return found


def _moved(
    before: Said | None, after: Said | None, moment: pd.Timestamp, future: str, interval: pd.Timedelta
) -> Offence | None:
    """The first row up to the moment, and the first link of the chain, that is not what it was."""
    ours = np.flatnonzero(_early(before, moment))
    if not len(ours):
        return None
    assert before is not None
    theirs = np.full(len(ours), -1) if after is None else after.rows.get_indexer(before.rows[ours])
    if (theirs < 0).any():
        row = ours[int(np.argmax(theirs < 0))]
        return Offence("answer", _place(before, row), f"not given when later bars became {future}")
    assert after is not None
    for key, values in before.values.items():
        one, other = values[ours], after.values[key][theirs]
        if key == "decision" or one.dtype.kind not in "f":
            apart = (one != other) & ~before.open[ours].reshape(-1, *[1] * (one.ndim - 1))
        elif key.startswith(("input", "scaled")):
            apart = one.view(np.int32) != other.view(np.int32)
        else:
            apart = ~np.isclose(one, other, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)
        if apart.any():
            at = int(np.flatnonzero(apart.reshape(len(ours), -1).any(axis=1))[-1])
            column = int(np.flatnonzero(apart[at].reshape(-1, apart.shape[-1]).any(axis=0))[0]) if apart.ndim > 1 else 0
            named = key.startswith(("input", "scaled")) and apart.shape[-1] == len(before.features)
            what = f"{key}, {before.features[column]}" if named else key
            bars = int((moment - before.rows[ours[at]][1]) / interval) + 1
            ahead = f"looks {bars} bar{'s' * (bars > 1)} ahead or further"
            return Offence(what, _place(before, ours[at]), f"moved when later bars became {future}; {ahead}")
    return None


def _early(said: Said | None, moment: pd.Timestamp) -> np.ndarray:
    return np.zeros(0, bool) if said is None else said.rows.get_level_values(1) <= moment


def _place(said: Said, row: int) -> str:
    symbol, moment = said.rows.to_frame().iloc[row]
    return f"{symbol} {pd.Timestamp(moment).isoformat()}"
