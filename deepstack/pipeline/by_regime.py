"""The figures of every model by market regime, each at its own threshold."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.question import risk_share_of, strength, trades_for
from deepstack.evaluation.regimes import by_regime, regimes_of
from deepstack.evaluation.table import by_output
from deepstack.pipeline.samples import Slices

REGIME_BARS = 240


def regimes_by_model(
    models: Mapping[str, Mapping[str, Predictions]],
    slices: Slices,
    market: Market,
    config: RunConfig,
    report: Mapping[str, Any],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Output → model → regime → figures on the test slice.

    Args:
        models: output → model → class probabilities.
        report: with the block of each model, for its threshold.
    """
    rows = slices.split.test
    test = slices.frame(rows)
    regimes = regimes_of(market, test, REGIME_BARS, slices.split.test_cut)
    blocks = by_output(report)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for number, (output, given) in enumerate(models.items()):
        codes = slices.labels.codes[rows, number]
        known = blocks[f"h{output}"] if f"h{output}" in blocks else blocks[""]
        for name, predictions in given.items():
            trades = trades_for(test, output, predictions.test, config.labels)
            risk = risk_share_of(trades, config.evaluation, config.labels)
            taken = strength(predictions.test) >= known[name]["threshold"]
            answers = np.asarray(predictions.test.argmax(axis=1))
            figures = by_regime(regimes, codes, answers, trades, taken, market, risk)
            found.setdefault(output, {})[name] = figures
    return found
