"""Answers over years of candles, a stretch of bars at a time: features and windows of one stretch are held, no more."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles, Market, as_market
from deepstack.candles.times import index_ms
from deepstack.errors import DataError, TooFewError
from deepstack.models.inputs import BASE
from deepstack.pipeline.predict import Predictor, check_interval
from deepstack.pipeline.trailing import between, trailing_span


def predict_chunks(
    predictor: Predictor, candles: Market | Candles, *, chunk_bars: int = 50_000, mc_passes: int = 0
) -> Iterator[tuple[pd.DataFrame, int]]:
    """`predict_and_count`, chunk by chunk; joined, the tables are its table and the counts add up to its count.

    Each chunk reads the trailing candles before it that its answers need, so a longer chunk repeats less work.

    Args:
        predictor: a loaded artifact.
        candles: as in `Predictor.predict`.
        chunk_bars: moments of the calendar a chunk answers at, for all symbols.
        mc_passes: as in `Predictor.predict`.

    Raises:
        DataError: as `Predictor.predict`; chunk_bars below 1.
    """
    if chunk_bars < 1:
        raise DataError("chunk_bars", expected="1 or more", received=str(chunk_bars), remedy="50000")
    market = as_market(candles)
    check_interval(predictor.artifact, market)
    span, refusal, seen_any = trailing_span(predictor.artifact), None, False
    for first, last in _chunks(market, chunk_bars):
        part = {name: between(one, first - span, last) for name, one in market.items()}
        moments = predictor.decisions(part, first)
        try:
            known, inputs, unseen = predictor.look_at(part, moments, first)
        except TooFewError as error:
            refusal = error
            yield _nothing(predictor, moments), len(moments)
            continue
        seen_any = True
        yield predictor.framed(known, inputs, mc_passes), unseen
    if not seen_any and refusal is not None:
        raise refusal


def _nothing(predictor: Predictor, moments: pd.DataFrame) -> pd.DataFrame:
    return predictor.framed(moments.iloc[:0], {BASE: np.empty((0, 0), np.float32)})


def _chunks(market: Market, bars: int) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """First and last moment of each stretch of the calendar of all symbols."""
    calendar = np.unique(np.concatenate([index_ms(one.frame.index) for one in market.values()]))
    for start in range(0, len(calendar), bars):
        stretch = calendar[start : start + bars]
        yield pd.Timestamp(int(stretch[0]), unit="ms", tz="UTC"), pd.Timestamp(int(stretch[-1]), unit="ms", tz="UTC")
