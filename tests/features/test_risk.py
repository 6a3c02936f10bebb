"""Risk figures against the plain reading of their definition, window by window."""

import numpy as np
import pytest

from deepstack.features.bars import Bars
from deepstack.features.catalogue import FEATURES
from deepstack.features.risk import largest_fall

ENDS = (250, 480, 899)


def value(name: str, bars: Bars) -> np.ndarray:
    return FEATURES[name].compute(bars)


def _returns(bars: Bars, t: int, n: int) -> np.ndarray:
    return np.diff(np.log(bars.close[t - n : t + 1]))


@pytest.mark.parametrize("n", [1, 2, 5, 20, 33])
def test_largest_fall_is_from_any_peak_to_any_later_trough(n: int) -> None:
    x = np.random.default_rng(0).normal(size=120).cumsum()
    fall = largest_fall(x, n)
    for t in range(n - 1, 120):
        window = x[t - n + 1 : t + 1]
        assert fall[t] == max(window[i] - window[j] for i in range(n) for j in range(i, n))


@pytest.mark.parametrize("t", ENDS)
def test_reward_ratios(bars: Bars, t: int) -> None:
    r = _returns(bars, t, 50)
    downside = np.sqrt(np.mean(np.minimum(r, 0.0) ** 2))
    assert value("sharpe_50", bars)[t] == pytest.approx(np.sqrt(50) * r.mean() / r.std())
    assert value("sortino_50", bars)[t] == pytest.approx(r.mean() / downside)
    assert value("gain_to_pain_50", bars)[t] == pytest.approx(r.sum() / -r[r < 0].sum())
    gain, loss = r[r > 0].mean(), -r[r < 0].mean()
    assert value("payoff_balance_50", bars)[t] == pytest.approx((gain - loss) / (gain + loss))


@pytest.mark.parametrize("t", ENDS)
def test_tails_are_the_five_most_extreme_of_a_hundred(bars: Bars, t: int) -> None:
    r = np.sort(_returns(bars, t, 100))
    assert value("value_at_risk_05_100", bars)[t] == pytest.approx(r[4] / r.std())
    assert value("expected_shortfall_05_100", bars)[t] == pytest.approx(r[:5].mean() / r.std())
    assert value("upper_quantile_95_100", bars)[t] == pytest.approx(r[-5] / r.std())
    best, worst = r[-5:].mean(), r[:5].mean()
    assert value("tail_balance_100", bars)[t] == pytest.approx((best + worst) / (best - worst))
    recent = _returns(bars, t, 50)
    assert value("worst_return_50", bars)[t] == pytest.approx(recent.min() / r.std())
    assert value("best_return_50", bars)[t] == pytest.approx(recent.max() / r.std())


@pytest.mark.parametrize("t", ENDS)
def test_drawdowns(bars: Bars, t: int) -> None:
    sigma = _returns(bars, t, 100).std() * np.sqrt(20)
    log = np.log(bars.close)
    highs = np.array([log[s - 19 : s + 1].max() for s in range(t - 19, t + 1)])
    below = log[t - 19 : t + 1] - highs
    assert value("drawdown_20", bars)[t] == pytest.approx(below[-1] / sigma)
    assert value("ulcer_20", bars)[t] == pytest.approx(np.sqrt(np.mean(below**2)) / sigma)
    assert value("under_water_20", bars)[t] == pytest.approx(np.mean(below < 0.0))
    assert value("max_drawdown_20", bars)[t] == pytest.approx(largest_fall(log, 20)[t] / sigma)


def test_a_rise_without_a_loss_is_capped() -> None:
    close = np.exp(0.01 * np.arange(150.0) + 0.002 * np.sin(np.arange(150.0)))
    rise = Bars(close, close, close, close, np.ones(150), np.arange(150), 1)
    assert (np.diff(close) > 0).all()
    assert (value("sortino_20", rise)[20:] == 0.0).all(), "no downside: undefined, so neutral"
    assert (value("calmar_20", rise)[19:] == 0.0).all()
    assert (value("payoff_balance_50", rise)[50:] == 1.0).all()
