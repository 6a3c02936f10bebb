"""Judging a finished artifact on candles it has not seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact
from deepstack.candles.market import Candles, Market, as_market
from deepstack.errors import DataError
from deepstack.evaluation.moves import evaluate_moves, trades_of
from deepstack.evaluation.predictions import evaluate_predictions
from deepstack.labels.labelled import Labels
from deepstack.models import catalogue
from deepstack.pipeline.predict import check_interval, load
from deepstack.pipeline.samples import find, part


def evaluate(artifact: Path | str, market: Market | Candles) -> dict[str, Any]:
    """The `test` block of report.json for other candles, at the artifact's own threshold.

    Decisions before the artifact's test slice began are left out, whatever their symbol: markets move together, so what
    the network saw of one tells it of the others.

    Args:
        artifact: folder of a finished run.
        market: its candles or one symbol's, of the interval the artifact was trained on.

    Returns:
        The block, with `data` telling what was judged and how many trades were left out.

    Raises:
        ArtifactError: the artifact is incomplete or altered.
        DataError: candles that cannot be used, or no trade after the artifact's training data.
    """
    market = as_market(market)
    predictor = load(artifact)
    opened = predictor.artifact
    check_interval(opened, market)
    entry = catalogue.line_of(opened.config.model)
    found = find(market, opened.config, entry, names=opened.features)
    data, samples = opened.manifest.data, found.labels.samples
    seen = samples["decision_time"] < pd.Timestamp(data["test_cut"])
    if seen.all():
        raise DataError(
            "candles",
            expected=f"decisions after {data['test_cut']}, where the artifact's test slice begins",
            received=f"{len(seen)} decisions, all earlier",
            remedy="later candles",
        )
    unseen = np.flatnonzero(~seen)
    labels = found.labels.keep(unseen)
    probability = predictor.probabilities(predictor.scale(part(found.seen.inputs, unseen)))
    facts = {
        "symbols": list(market),
        "first": labels.samples["decision_time"].min().isoformat(),
        "last": labels.samples["end_time"].max().isoformat(),
        "left_out_as_seen": int(seen.sum()),
        "left_out_in_warmup": found.unseen,
        "left_out_at_gaps": labels.dropped,
    }
    blocks = _EVALUATE[opened.config.labels.kind](opened, labels, probability, market)
    return {"artifact": opened.folder.name, "data": facts, **blocks}


def _trades(opened: Artifact, labels: Labels, probability: np.ndarray, market: Market) -> dict[str, Any]:
    config, threshold = opened.config, opened.thresholds[0]
    won = probability[:, 0, 1]
    return evaluate_predictions(labels.samples, won, threshold, market, config.evaluation, config.seed)[0]


def _moves(opened: Artifact, labels: Labels, probability: np.ndarray, market: Market) -> dict[str, Any]:
    config, blocks = opened.config, {}
    for k, (horizon, threshold) in enumerate(zip(labels.outputs, opened.thresholds, strict=True)):
        trades = trades_of(labels.samples, horizon, probability[:, k], config.labels)
        blocks[f"h{horizon}"], _ = evaluate_moves(
            labels.codes[:, k], probability[:, k], trades, threshold, market, config.evaluation, config.seed
        )
    return blocks


_EVALUATE: dict[str, Callable[..., dict[str, Any]]] = {"breakout": _trades, "horizons": _moves}
