"""The audit on one page: every link from candles to the served decision, for a config or a finished artifact."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from deepstack.artifact.decision import Decision
from deepstack.artifact.export import export_saved_model
from deepstack.artifact.load import Artifact
from deepstack.artifact.manifest import MANIFEST, Manifest
from deepstack.artifact.model import class_probabilities
from deepstack.audit.end_to_end import audit_end_to_end
from deepstack.audit.features import Stretch, audit_features, stretch_of
from deepstack.audit.findings import Audit, Link
from deepstack.audit.fitted import audit_artifact, audit_fitted, audit_out_of_fold, audit_scalers, audit_threshold
from deepstack.audit.futures import window
from deepstack.audit.labels import audit_decisions, audit_equity, audit_labels, audit_split
from deepstack.audit.network import Served, audit_causal_layers, audit_rows, steady, stir, unscaled_inputs
from deepstack.audit.timing import audit_candles, audit_coarser, audit_windows
from deepstack.calibration import Calibration
from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.market import Candles, Market, as_market
from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError
from deepstack.evaluation.calibrate import METHODS
from deepstack.evaluation.question import trades_for
from deepstack.features.catalogue import choose
from deepstack.features.table import carried_by
from deepstack.labels.labelled import label
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.pipeline.predict import Predictor, check_interval, load
from deepstack.pipeline.samples import Slices, find, part, slices
from deepstack.pipeline.train import check
from deepstack.pipeline.train_network import builder
from deepstack.progress import Progress, no_progress

ROWS = 2000
MANY = 512
"""Samples from which the spread of a new network's answers is known."""
TAIL_BARS = 3000
"""Bars of each symbol whose decisions the network is asked for row by row."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is audited.

    Attributes:
        name: a config's, or an artifact's folder.
        config: its config.
        parts: samples of these candles, split and scaled as the config says.
        served: the model in both forms; for a config with random weights, of which none is zero.
        features: names to audit.
        own: of an artifact, whether it was trained on these candles; None for a config.
    """

    name: str
    config: RunConfig
    parts: Slices
    served: Served
    features: tuple[str, ...]
    own: bool | None


def audit_chain(
    subject: RunConfig | Path | str,
    candles: Market | Candles,
    *,
    rows: int = ROWS,
    links: Collection[str] = (),
    progress: Progress = no_progress,
) -> Audit:
    """Verify that nothing looks ahead, link by link, through the whole chain.

    Features, decisions, and the chain as a whole with the exported model are checked on every row of a stretch and at
    every edge of a gap; coarser candles, windows, entries and slices on every sample; the fitted state by replacing
    what came after it; the network row by row.

    Args:
        subject: an experiment, whose network is then built but not trained, or the folder of a finished artifact.
        candles: a market or one symbol's candles; an artifact's own, for its fitted state to be audited too.
        rows: of the stretch, over all symbols.
        links: look at these alone, by name; none means all.
        progress: told of all long work.

    Returns:
        The links, each with the first offence where it leaks.

    Raises:
        DeepstackError: a config, artifact or candles that cannot be used.
    """
    market = as_market(candles)
    clock = audit_candles(market)
    if clock.offence:  # nothing after it could be computed
        return Audit(str(getattr(subject, "name", subject)), (clock,))
    with tempfile.TemporaryDirectory() as place, _prepared(subject, market, Path(place), progress) as found:
        looked = [clock]
        every = dict(_links(found, market, rows, progress))
        _require_known(links, every)
        for name, look in every.items():
            if links and name not in links:
                continue
            progress("audit", len(looked), 0, name)
            started = time.perf_counter()
            looked.append(replace(look(), seconds=time.perf_counter() - started))
        return Audit(found.name, tuple(looked))


def _links(subject: Subject, market: Market, rows: int, progress: Progress) -> Iterator[tuple[str, Callable[[], Link]]]:
    """Every link in the order data flows."""
    config, parts, served = subject.config, subject.parts, subject.served
    interval = next(iter(market.values())).interval
    labels = label(market, config.labels)
    uniform = np.full((len(parts.split.test), len(parts.labels.classes)), 1.0 / len(parts.labels.classes))
    trades = trades_for(parts.frame(parts.split.test), parts.labels.outputs[0], uniform, config.labels)
    yield "coarser candles", lambda: audit_coarser(market, config)
    yield "features", lambda: audit_features(market, subject.features, rows, progress)
    yield "windows", lambda: audit_windows(market, labels.samples, config)
    yield "decisions asked", lambda: audit_decisions(market, config.labels, rows)
    yield "labels and fills", lambda: audit_labels(market, labels, config.labels)
    yield "split", lambda: audit_split(parts.labels, parts.split, config.split.embargo_bars * interval)
    yield "scalers", lambda: audit_scalers(market, config, parts)
    if subject.own is not None:
        own = subject.own
        yield "artifact's fitted state", lambda: audit_artifact(parts, served.predictor, own=own)
    yield "fitted state", lambda: audit_fitted(market, config, parts)
    yield "calibration and stacking", lambda: audit_out_of_fold(parts)
    yield "threshold", lambda: audit_threshold(market, parts, config)
    yield "network, row by row", lambda: audit_rows(served, unscaled_inputs(served.predictor, _tail(market))[1])
    yield "causal layers", lambda: audit_causal_layers(served.predictor.network, config)
    yield "end to end", lambda: audit_end_to_end(served, market, _stretch(subject, market, rows), progress)
    yield "equity", lambda: audit_equity(market, trades, config)


def _require_known(asked: Collection[str], known: Collection[str]) -> None:
    for name in asked:
        if name not in known and name != "candles":
            raise ConfigError(
                "links", expected=f"some of candles, {', '.join(known)}", received=repr(name), remedy="one of these"
            )


@contextmanager
def _prepared(subject: RunConfig | Path | str, market: Market, place: Path, progress: Progress) -> Iterator[Subject]:
    if isinstance(subject, RunConfig):
        yield _of_config(subject, market, place, progress)
        return
    predictor = load(Path(subject))
    artifact = predictor.artifact
    check_interval(artifact, market)
    own = artifact.manifest.data["fingerprint"] == fingerprint(market)
    parts = _parts(artifact.config, market, progress)
    config = artifact.config
    served = Served(predictor, artifact.folder / "serving" / config.name / "1")
    yield Subject(artifact.folder.name, config, parts, served, artifact.features, own)


def _parts(config: RunConfig, market: Market, progress: Progress) -> Slices:
    found = find(market, config, catalogue.line_of(config.model), progress)
    return slices(found, next(iter(market.values())).interval, config)


def _of_config(config: RunConfig, market: Market, place: Path, progress: Progress) -> Subject:
    """The model of a config as an artifact would hold it, with random weights in place of trained ones."""
    check(config)
    parts = _parts(config, market, progress)
    head = head_of(config.labels, config.model)
    model = builder(config, parts)()
    stir(model)
    steady(model, part(parts.inputs, parts.split.validation[:MANY]))
    model.save(place / "model.keras")
    thresholds = tuple(0.5 if head.kind == "binary" else 0.1 for _ in head.names)
    calibrations = _calibrations(config, parts, model)
    decision = Decision(parts.scalers, head, parts.priors, thresholds, calibrations)
    servable = place / "serving" / config.name / "1"
    export_saved_model(servable, model, decision, parts.examples, config.name, features=parts.names)
    interval = next(iter(market.values())).interval
    data = {
        "priors": None if parts.priors is None else parts.priors.tolist(),
        "calibrations": [calibration.tree() for calibration in calibrations],
        "interval_s": interval.total_seconds(),
        "fingerprint": fingerprint(market),
    }
    manifest = Manifest(2, config.name, "", {}, config.seed, {}, None, data, parts.names, {MANIFEST: ""})
    artifact = Artifact(place, manifest, config, parts.names, parts.scalers, thresholds)
    served = Served(Predictor(artifact), servable)
    names = tuple(feature.name for feature in choose(config.features, carried_by(market)))
    return Subject(config.name, config, parts, served, names, None)


def _calibrations(config: RunConfig, parts: Slices, model: keras.Model) -> tuple[Calibration, ...]:
    """Those that the model would be given, one an output."""
    if config.evaluation.calibration == "none":
        return ()
    rows, head = parts.split.validation, head_of(config.labels, config.model)
    given = class_probabilities(model, head, part(parts.inputs, rows), parts.priors)
    fit = METHODS[config.evaluation.calibration]
    return tuple(fit(given[:, k], parts.labels.codes[rows, k]) for k in range(len(parts.labels.outputs)))


def _stretch(subject: Subject, market: Market, rows: int) -> Stretch:
    """Of the rows that the model can see, and the edges of their runs: after a gap its window has to fill first."""
    every = [
        pd.DataFrame({"symbol": symbol, "decision_time": candles.frame.index}) for symbol, candles in market.items()
    ]
    asked = pd.concat(every).sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True)
    known = subject.served.predictor.see(market, asked).known
    return stretch_of(asked[known], next(iter(market.values())).interval, rows)


def _tail(market: Market) -> Market:
    """The last bars of every symbol."""
    last = max(candles.frame.index[-1] for candles in market.values())
    interval = next(iter(market.values())).interval
    return window(market, pd.Timestamp(last) - TAIL_BARS * interval, pd.Timestamp(last))
