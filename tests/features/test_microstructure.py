import math

import numpy as np
import pytest
from scipy import stats

from deepstack.features import _spreads as spreads
from deepstack.features.bars import Bars
from deepstack.features.microstructure import FEATURES

BY_NAME = {feature.name: feature for feature in FEATURES}


def last(bars: Bars, name: str) -> float:
    return float(BY_NAME[name].compute(bars)[-1])


def quoted(spread: float, sigma: float, count: int = 3000, trades: int = 200) -> Bars:
    """Candles of trades that hit a bid or an ask, `spread` apart, around a random walk: what the estimators assume."""
    rng = np.random.default_rng(8)
    middle = np.cumsum(rng.normal(scale=sigma / math.sqrt(trades), size=count * trades))
    price = 100.0 * np.exp(middle + 0.5 * spread * rng.choice([-1.0, 1.0], size=middle.size)).reshape(count, trades)
    volume = np.ones(count)
    return Bars(price[:, 0], price.max(1), price.min(1), price[:, -1], volume, np.arange(count), 1)


@pytest.mark.parametrize("estimator", ["corwin_schultz", "abdi_ranaldo"])
def test_spread_estimators_rank_true_spreads(estimator: str) -> None:
    narrow, wide = (float(np.nanmean(getattr(spreads, estimator)(quoted(s, 0.01)))) for s in (0.002, 0.02))
    assert wide > 2.0 * narrow
    assert wide == pytest.approx(0.02, rel=0.5)


def test_roll_recovers_the_spread() -> None:
    market = quoted(0.02, 0.002)
    assert float(np.nanmean(spreads.roll_spread(market))) == pytest.approx(0.02, rel=0.1)


def test_corwin_schultz_is_the_published_formula(bars: Bars) -> None:
    high, low = bars.high[-2:], bars.low[-2:]
    beta, gamma = (np.log(high / low) ** 2).sum(), math.log(high.max() / low.min()) ** 2
    k = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
    expected = max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0)
    assert spreads.corwin_schultz(bars)[-1] == pytest.approx(expected, abs=1e-12)


def test_abdi_ranaldo_is_the_published_formula(bars: Bars) -> None:
    eta = (np.log(bars.high) + np.log(bars.low)) / 2
    close = np.log(bars.close[-2])
    expected = math.sqrt(max(4 * (close - eta[-2]) * (close - eta[-1]), 0))
    assert spreads.abdi_ranaldo(bars)[-1] == pytest.approx(expected, abs=1e-8)


def test_zero_return_spread(bars: Bars) -> None:
    r = np.diff(np.log(bars.close))[-100:]
    expected = 2 * r.std() * stats.norm.ppf((1 + (r == 0).mean()) / 2)
    assert last(bars, "zero_return_spread_100") == pytest.approx(expected, rel=1e-9)


def test_amihud_counts_only_bars_that_traded(bars: Bars) -> None:
    bars.volume[-3:-1] = 0.0
    r, money = np.abs(np.diff(np.log(bars.close))), (bars.close * bars.volume)[1:]
    means = [(r[-n:] / np.where(money[-n:] > 0, money[-n:], np.inf)).sum() / (money[-n:] > 0).sum() for n in (5, 100)]
    assert last(bars, "amihud_relative_5") == pytest.approx(math.log(means[0] / means[1]), rel=1e-9)


def test_lambda_is_the_slope_of_a_regression(bars: Bars) -> None:
    r, v = np.diff(np.log(bars.close))[-50:], bars.volume[-50:]
    for name, flow in (
        ("kyle_lambda_50", np.sign(bars.close - bars.open)[-50:] * v),
        ("taker_lambda_50", 2 * bars.extra["taker_buy_volume"][-50:] - v),
    ):
        assert last(bars, name) == pytest.approx(np.polyfit(flow, r, 1)[0] * v.mean() / r.std(), rel=1e-9)


@pytest.mark.parametrize("n", [1, 5, 20])
def test_imbalances(bars: Bars, n: int) -> None:
    v, buys = bars.volume[-n:], bars.extra["taker_buy_volume"][-n:]
    assert last(bars, f"taker_imbalance_{n}") == pytest.approx((2 * buys.sum() - v.sum()) / v.sum(), rel=1e-9)
    r = np.diff(np.log(bars.close))
    sigmas = [r[t] / r[t - 49 : t + 1].std() for t in range(len(r) - n, len(r))]
    expected = ((2 * stats.norm.cdf(sigmas) - 1) * v).sum() / v.sum()
    assert last(bars, f"bulk_imbalance_{n}") == pytest.approx(expected, rel=1e-9)


def test_trade_size(bars: Bars) -> None:
    v, t = bars.volume, bars.extra["trades"]
    expected = math.log(v[-20:].sum() / t[-20:].sum() / (v[-100:].sum() / t[-100:].sum()))
    assert last(bars, "trade_size_relative_20") == pytest.approx(expected, rel=1e-9)


def test_features_name_the_columns_they_need() -> None:
    for feature in FEATURES:
        expected = ("trades",) if feature.name.startswith("trade") else ("taker_buy_volume",)
        assert feature.needs == (expected if feature.name.startswith(("trade", "taker")) else ()), feature.name


def test_a_dead_market_reads_zero(dead: Bars) -> None:
    unmoved = {"zero_return_share_20", "zero_return_share_100"}
    for feature in FEATURES:
        value = np.abs(feature.compute(dead)[feature.lookback_bars :]).max()
        assert value == (1.0 if feature.name in unmoved else 0.0), feature.name
