import math
from dataclasses import replace

import numpy as np
import pytest

from deepstack.features.bars import Bars
from deepstack.features.cross_asset import FEATURES

BY_NAME = {feature.name: feature for feature in FEATURES}


def last(bars: Bars, name: str) -> float:
    return float(BY_NAME[name].compute(bars)[-1])


def with_peers(bars: Bars, peers: np.ndarray | None) -> Bars:
    return replace(bars, peers=peers, _shared={})


def returns(bars: Bars) -> np.ndarray:
    return np.concatenate(([np.nan], np.diff(np.log(bars.close))))


def market(bars: Bars) -> np.ndarray:
    assert bars.peers is not None
    return bars.peers.mean(axis=1)


@pytest.mark.parametrize("n", [20, 50, 100])
def test_beta_and_correlation_match_numpy(bars: Bars, n: int) -> None:
    r, m = returns(bars)[-n:], market(bars)[-n:]
    assert last(bars, f"beta_{n}") == pytest.approx(np.polyfit(m, r, 1)[0], rel=1e-9)
    assert last(bars, f"market_correlation_{n}") == pytest.approx(np.corrcoef(m, r)[0, 1], rel=1e-9)


def test_idiosyncratic_return_is_the_residual_in_its_sigma(bars: Bars) -> None:
    r, m = returns(bars)[-100:], market(bars)[-100:]
    beta, _ = np.polyfit(m, r, 1)
    residual = (r - beta * m) - (r - beta * m).mean()
    expected = (r[-1] - beta * m[-1]) / residual.std()
    assert last(bars, "idiosyncratic_return_1") == pytest.approx(expected, rel=1e-9)


def test_the_leader_is_found(bars: Bars) -> None:
    r = returns(bars)
    r[0] = 0.0
    leading = with_peers(bars, np.roll(r, -1)[:, None].repeat(2, axis=1))  # the peers did today what comes tomorrow
    leading.peers[-1] = 0.0  # type: ignore[index]
    assert last(leading, "lead_correlation_1_100") == pytest.approx(1.0)
    assert last(leading, "lead_minus_lag_1_100") > 0.5
    lagging = with_peers(bars, np.roll(r, 1)[:, None].repeat(2, axis=1))
    assert last(lagging, "lag_correlation_1_100") == pytest.approx(1.0)


@pytest.mark.parametrize("n", [5, 20, 100])
def test_relative_strength(bars: Bars, n: int) -> None:
    r, m = returns(bars), market(bars)
    expected = (r[-n:].sum() - m[-n:].sum()) / (r[-100:].std() * math.sqrt(n))
    assert last(bars, f"relative_strength_{n}") == pytest.approx(expected, rel=1e-9)


def test_breadth_and_rank_count_peers(bars: Bars) -> None:
    assert bars.peers is not None
    moved, own = bars.peers[-20:].sum(axis=0), returns(bars)[-20:].sum()
    assert last(bars, "market_breadth_20") == pytest.approx(np.sign(moved).mean())
    assert last(bars, "peer_rank_20") == pytest.approx(np.sign(own - moved).mean())


def test_cohesion_is_one_when_all_peers_move_as_one(bars: Bars) -> None:
    one = with_peers(bars, market(bars)[:, None].repeat(3, axis=1))
    assert last(one, "market_cohesion_50") == pytest.approx(1.0)
    assert last(bars, "market_cohesion_50") < 1.0


def test_absent_peers_do_not_count(bars: Bars) -> None:
    """A peer that has no bar in the window leaves every figure as if it were not listed."""
    assert bars.peers is not None
    listed = bars.peers.copy()
    listed[-420:, 3] = np.nan
    with_absent, without = with_peers(bars, listed), with_peers(bars, bars.peers[:, :3].copy())
    for feature in FEATURES:
        if feature.name != "peers_present_20":
            assert feature.compute(with_absent)[-1] == feature.compute(without)[-1], feature.name


def test_no_peer_at_all_reads_zero(bars: Bars) -> None:
    alone = with_peers(bars, np.full((len(bars), 2), np.nan))
    for feature in FEATURES:
        values = feature.compute(alone)[feature.lookback_bars - 1 :]
        assert np.isfinite(values).all(), feature.name
        if feature.name not in {"idiosyncratic_share_100"} and not feature.name.startswith("idiosyncratic_return"):
            assert (values == 0.0).all(), feature.name


def test_some_peers_missing_now_and_then_stays_finite(bars: Bars) -> None:
    assert bars.peers is not None
    peers = bars.peers.copy()
    peers[np.random.default_rng(2).random(peers.shape) < 0.3] = np.nan
    for feature in FEATURES:
        assert np.isfinite(feature.compute(with_peers(bars, peers))[feature.lookback_bars - 1 :]).all(), feature.name
        assert feature.needs == ("peers",)
