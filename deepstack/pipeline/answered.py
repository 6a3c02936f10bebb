"""What a trained network says on validation and test, calibrated, and the trades it takes there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.artifact.model import class_probabilities
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.calibrate import calibrated
from deepstack.evaluation.question import risk_share_of, strength, trades_for
from deepstack.evaluation.returns import DailyReturns
from deepstack.evaluation.threshold import choose_threshold
from deepstack.evaluation.trading import trade
from deepstack.models.heads import head_of
from deepstack.pipeline.samples import Slices, part
from deepstack.training.fit import FitResult


@dataclass(frozen=True, eq=False)
class Taken:
    """The trades of one output on test.

    Attributes:
        output: its name.
        trades: frame of TRADE_COLUMNS, one row a sample.
        chosen: bool [samples], those over the threshold that validation chose.
    """

    output: str
    trades: pd.DataFrame
    chosen: np.ndarray


def answered(config: RunConfig, parts: Slices, fitted: FitResult) -> Predictions:
    """Class probabilities [samples, outputs, classes] of both slices, calibrated as the config asks."""
    head, split = head_of(config.labels, config.model), parts.split
    validation, test = (
        class_probabilities(fitted.model, head, part(parts.inputs, rows), parts.priors).copy()
        for rows in (split.validation, split.test)
    )
    validation = validation if fitted.validation is None else fitted.validation.copy()
    times = parts.frame(split.validation)
    for k in range(len(parts.labels.outputs)):
        codes, given = parts.labels.codes[split.validation, k], Predictions(validation[:, k], test[:, k])
        given, _ = calibrated(config.evaluation.calibration, given, codes, times)
        validation[:, k], test[:, k] = given.validation, given.test
    return Predictions(validation, test)


def taken(config: RunConfig, parts: Slices, said: Predictions) -> Iterator[Taken]:
    """The trades a network takes on test by the threshold that was best on validation, output by output."""
    split = parts.split
    for k, output in enumerate(parts.labels.outputs):
        known, asked = (
            trades_for(parts.frame(rows), output, probability[:, k], config.labels)
            for rows, probability in ((split.validation, said.validation), (split.test, said.test))
        )
        worth = known["net_r"].to_numpy(np.float64)
        threshold = choose_threshold(strength(said.validation[:, k]), worth, config.evaluation.min_coverage)
        yield Taken(output, asked, threshold.take(strength(said.test[:, k])))


def daily_of(trades: Sequence[Taken], config: RunConfig, market: Market) -> dict[str, DailyReturns]:
    """Output → daily returns of an account that takes the trades.

    Args:
        trades: of every output.
        config: of the risk a trade.
        market: the candles the trades were labelled on.
    """
    found = {}
    for one in trades:
        risk = risk_share_of(one.trades, config.evaluation, config.labels)
        found[one.output] = trade(one.trades, one.chosen, market, risk)[1]
    return found
