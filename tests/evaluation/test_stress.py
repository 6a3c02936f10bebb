import numpy as np
import pytest

from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.evaluation.stress import stress
from deepstack.labels.breakout import label_breakouts


def test_costs_are_paid_in_proportion_and_a_late_order_sees_another_price() -> None:
    market = make_market(SyntheticConfig(symbols=2, bars=3000, interval="1h"), 3)
    trades = label_breakouts(market, LabelsConfig())
    taken = np.arange(len(trades)) % 2 == 0
    rows = stress(trades, taken, market, LabelsConfig(), 0.01)
    found = {(row["delay_bars"], row["cost_factor"]): row["expectancy_r"] for row in rows}
    assert len(found) == 9
    assert found[0, 0.0] == pytest.approx(trades["gross_r"][taken].mean())
    assert found[0, 1.0] == pytest.approx(trades["net_r"][taken].mean())
    assert found[0, 2.0] - found[0, 1.0] == pytest.approx(found[0, 1.0] - found[0, 0.0])
    assert found[1, 1.0] != found[0, 1.0]
