"""Two lines audit a function of your own."""

import numpy as np
import pandas as pd
import pytest

import deepstack
from deepstack.candles.market import Candles
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.errors import DataError


@pytest.fixture(scope="module")
def candles() -> Candles:
    return next(iter(make_market(SyntheticConfig(symbols=1, bars=2000, interval="1h"), 3).values()))


def momentum(frame: pd.DataFrame) -> pd.Series:
    return frame["close"].pct_change(20) / frame["close"].pct_change().ewm(span=50).std()


def peeking(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"fine": frame["close"].rolling(5).mean(), "wrong": frame["close"].shift(-3)})


def test_an_honest_function_holds_although_it_never_forgets(candles: Candles) -> None:
    link = deepstack.audit_function(momentum, {candles.symbol: candles}, rows=200)
    assert link.seconds > 0.0
    assert link.offence is None and link.verdict == "holds"
    assert "200 of 2,000 bars" in link.covers


def test_a_peeking_one_is_named_with_its_lag(candles: Candles) -> None:
    link = deepstack.audit_function(peeking, candles, rows=200)
    assert link.offence is not None
    assert link.offence.what == "peeking" and "looks 3 bars ahead" in link.offence.how


class FittedOnce:
    """Scales by what it saw at its first call, as a scaler that was fitted once does."""

    __name__ = "fitted_once"

    def __init__(self) -> None:
        self.scale = 0.0

    def __call__(self, frame: pd.DataFrame) -> pd.Series:
        self.scale = self.scale or float(frame["close"].std())
        return frame["close"] / self.scale


def test_a_function_fitted_at_its_first_call_is_seen(candles: Candles) -> None:
    link = deepstack.audit_function(FittedOnce(), candles, rows=50)
    assert link.offence is not None


def test_the_edges_of_gaps_are_looked_at(candles: Candles) -> None:
    frame = candles.frame.drop(candles.frame.index[400:405])
    gapped = Candles(candles.symbol, candles.interval, frame)

    def knows_of_the_gap(frame: pd.DataFrame) -> np.ndarray:
        ahead = np.append(np.diff(frame.index.asi8), 0)
        return (ahead > 2 * ahead[:1]).astype(float)

    link = deepstack.audit_function(knows_of_the_gap, gapped, rows=50)
    assert link.offence is not None and gapped.frame.index[399].isoformat() in link.offence.where


def test_several_symbols_are_refused(candles: Candles) -> None:
    with pytest.raises(DataError, match="expected candles of one symbol, received a market of 2"):
        deepstack.audit_function(momentum, {"A": candles, "B": candles}, rows=50)


def test_what_is_no_feature_is_refused_in_one_line(candles: Candles) -> None:
    with pytest.raises(DataError, match=r"expected 1200 values, one a bar, received an array of \(\)"):
        deepstack.audit_function(lambda frame: np.float64(frame["close"].iloc[-1]), candles, rows=200)
