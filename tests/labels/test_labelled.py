"""One record for every kind of label: answers, worth and costs."""

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Candles, Market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import HorizonsConfig, LabelsConfig
from deepstack.labels.breakout import label_and_count
from deepstack.labels.labelled import decision_rows, label

HORIZONS = LabelsConfig(kind="horizons", horizons=HorizonsConfig(lengths=("1h", "4h"), volatility_bars=10))


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(SyntheticConfig(symbols=2, bars=500, interval="1h"), seed=3)


def test_worth_and_cost_against_a_computation_by_hand() -> None:
    """One-bar returns of ±1 %, then a rise: 1 R of one hour is 1 %, of four hours 2 %."""
    close = 100.0 * np.exp(0.01 * (np.arange(12) % 2))
    close = np.concatenate([close, close[-1] * np.exp([0.005, 0.015, 0.02, 0.03])])
    open_ = np.concatenate([[100.0], close[:-1]])
    times = pd.date_range("2024-01-01 01:00", periods=16, freq="h", tz="UTC", name="close_time").as_unit("ms")
    frame = pd.DataFrame({"open": open_, "high": close, "low": close, "close": close, "volume": 1.0}, index=times)
    labels = label({"AAA": Candles("AAA", pd.Timedelta("1h"), frame)}, HORIZONS)
    assert labels.samples["decision_time"].tolist() == [times[10], times[11]]
    assert (labels.outputs, labels.classes, labels.dropped) == (("1h", "4h"), ("sell", "hold", "buy"), 4)
    # Decided at bar 11, entered at its close: +0.5 % after one hour is 0.5 R, +3 % after four is 1.5 R.
    np.testing.assert_allclose(labels.outcome_r[1], [0.5, 1.5])
    assert labels.codes[1].tolist() in ([1, 2], [2, 2])  # 0.5 R lies on the edge of the dead band
    # Fee 5 and slippage 2 basis points a side, twice: 14 basis points of a risk of 100 and of 200.
    np.testing.assert_allclose(labels.cost_r, [[0.14, 0.07]] * 2)


def test_samples_are_the_moments_asked_less_those_dropped(market: Market) -> None:
    labels = label(market, HORIZONS)
    asked = pd.concat([decision_rows(candles, HORIZONS) for candles in market.values()])
    assert len(asked) == len(labels) + labels.dropped
    merged = labels.samples.merge(asked, on=["symbol", "decision_time"])
    assert len(merged) == len(labels)
    assert asked["decision_time"].max() == market["SYN01"].frame.index[-1]
    assert (np.sign(labels.outcome_r)[labels.codes == 2] > 0).all()
    assert (np.sign(labels.outcome_r)[labels.codes == 0] < 0).all()
    np.testing.assert_array_equal(labels.codes == 1, np.abs(labels.outcome_r) <= 0.5)


def test_breakouts_are_their_trades_after_costs(market: Market) -> None:
    config = LabelsConfig(channel_bars=5, atr_bars=4)
    labels = label(market, config)
    trades, dropped = label_and_count(market, config)
    pd.testing.assert_frame_equal(labels.samples, trades)
    assert (labels.outputs, labels.classes, labels.dropped) == (("won",), ("lost", "won"), dropped)
    np.testing.assert_array_equal(labels.codes[:, 0], trades["won"])
    np.testing.assert_array_equal(labels.outcome_r[:, 0], trades["net_r"])
    assert not labels.cost_r.any()


def test_keeping_samples_keeps_their_answers(market: Market) -> None:
    labels = label(market, HORIZONS)
    chosen = np.random.default_rng(0).random(len(labels)) < 0.3
    for kept in (labels.keep(chosen), labels.keep(np.flatnonzero(chosen))):
        assert len(kept) == chosen.sum()
        assert kept.samples.index.tolist() == list(range(len(kept)))
        np.testing.assert_array_equal(kept.samples["gross_r_4h"], kept.outcome_r[:, 1])
        np.testing.assert_array_equal(kept.samples["class_1h"], kept.codes[:, 0])
        np.testing.assert_array_equal(kept.cost_r, labels.cost_r[chosen])
