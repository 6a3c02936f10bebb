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
    link = deepstack.audit_function(momentum, candles, rows=200)
    assert link.offence is None and link.verdict == "holds"
    assert "200 rows × 3 futures" in link.covers


def test_a_peeking_one_is_named_with_its_lag(candles: Candles) -> None:
    link = deepstack.audit_function(peeking, candles, rows=200)
    assert link.offence is not None
    assert link.offence.what == "peeking" and "3 bars later" in link.offence.how


def test_what_is_no_feature_is_refused_in_one_line(candles: Candles) -> None:
    with pytest.raises(DataError, match=r"expected 1200 values, one a bar, received an array of \(\)"):
        deepstack.audit_function(lambda frame: np.float64(frame["close"].iloc[-1]), candles, rows=200)
