"""Judging a finished artifact on candles it has not seen."""

from pathlib import Path
from typing import Any

import pandas as pd

from deepstack.artifact.load import open_artifact
from deepstack.candles.market import Market
from deepstack.errors import DataError
from deepstack.evaluation.predictions import evaluate_predictions
from deepstack.pipeline.predict import check_interval, score
from deepstack.pipeline.samples import candidates


def evaluate(artifact: Path, market: Market) -> dict[str, Any]:
    """The `test` block of report.json for other candles, at the artifact's own threshold.

    Trades that were decided before the artifact's test slice began are left out, whatever their symbol: markets move
    together, so what the network saw of one tells it of the others.

    Args:
        artifact: folder of a finished run.
        market: candles of the interval the artifact was trained on.

    Returns:
        The block, with `data` telling what was judged and how many trades were left out.

    Raises:
        ArtifactError: the artifact is incomplete or altered.
        DataError: candles that cannot be used, or no trade after the artifact's training data.
    """
    opened = open_artifact(artifact)
    check_interval(opened, market)
    found = candidates(market, opened.config.features, opened.config.labels, names=opened.features)
    data = opened.manifest.data
    seen = found.trades["decision_time"] < pd.Timestamp(data["test_cut"])
    if seen.all():
        raise DataError(
            "candles",
            expected=f"breakouts after {data['test_cut']}, where the artifact's test slice begins",
            received=f"{len(seen)} breakouts, all earlier",
            remedy="later candles",
        )
    trades = found.trades[~seen].reset_index(drop=True)
    probability = score(opened, found.features[(~seen).to_numpy()])
    config = opened.config
    block = evaluate_predictions(trades, probability, opened.threshold, market, config.evaluation, config.seed)
    facts = {
        "symbols": list(market),
        "first": trades["decision_time"].min().isoformat(),
        "last": trades["end_time"].max().isoformat(),
        "left_out_as_seen": int(seen.sum()),
        "left_out_in_warmup": found.in_warmup,
        "left_out_at_gaps": found.gap_windows,
    }
    return {"artifact": artifact.name, "data": facts, **block}
