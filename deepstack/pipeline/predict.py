"""Scoring the candidate trades in candles with a finished artifact."""

from pathlib import Path

import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact, open_artifact
from deepstack.artifact.model import load_network, win_probability
from deepstack.candles.market import Market
from deepstack.errors import DataError
from deepstack.features.table import make_table
from deepstack.labels.breakout import find_breakouts


def predict(artifact: Path, market: Market) -> pd.DataFrame:
    """Probability and decision for every breakout after the warm-up, the last bar's included.

    Args:
        artifact: folder of a finished run.
        market: candles of the interval the artifact was trained on.

    Returns:
        `symbol decision_time side probability decision`, by decision time then symbol.

    Raises:
        ArtifactError: the artifact is incomplete or altered.
        DataError: candles of another interval, too few, or lacking what a feature needs.
    """
    return predict_and_count(artifact, market)[0]


def predict_and_count(artifact: Path, market: Market) -> tuple[pd.DataFrame, int]:
    """`predict`, and the count of breakouts that lie in a warm-up, where features are not known yet."""
    opened = open_artifact(artifact)
    check_interval(opened, market)
    table = make_table(market, names=opened.features)
    found = []
    for symbol, candles in market.items():
        rows, side, _ = find_breakouts(candles, opened.config.labels)
        found.append(pd.DataFrame({"symbol": symbol, "decision_time": candles.frame.index[rows], "side": side}))
    signals = pd.concat(found).sort_values(["decision_time", "symbol"], ignore_index=True)
    rows = table.locate(signals["symbol"], signals["decision_time"])
    known = rows >= 0
    signals = signals[known].reset_index(drop=True)
    probability = score(opened, table.values[rows[known]])
    signals = signals.assign(probability=probability, decision=probability >= opened.threshold)
    return signals, int((~known).sum())


def score(opened: Artifact, features: np.ndarray) -> np.ndarray:
    """Probability of winning for unscaled float32 [rows, features] in the artifact's order; float64 [rows]."""
    if not len(features):
        return np.empty(0)  # scikit-learn refuses an empty table, and no breakout is an answer like any other
    scaled = np.asarray(opened.scaler.transform(features), dtype=np.float32)
    return win_probability(load_network(opened), scaled, opened.manifest.data["prior"])


def check_interval(opened: Artifact, market: Market) -> None:
    """Refuse candles of another bar interval than the artifact's.

    Raises:
        DataError: names both intervals.
    """
    expected = opened.manifest.data["interval_s"]
    received = next(iter(market.values())).interval.total_seconds()
    if received != expected:
        raise DataError(
            "candles",
            expected=f"bars of {expected:g} s, as the artifact was trained on",
            received=f"{received:g} s",
            remedy="candles of that interval, or training on these",
        )
