"""Cross-asset: this market against the equal-weight mean of its peers.

`bars.peers` holds the peers' log returns over the same bar, NaN where a peer has no bar. The market's return is the
mean over the peers present, 0 where none is; figures over n bars count the peers present at every one of them. All
read 0 where no peer is known.
"""

import math

import numpy as np

from deepstack.features import _rolling as roll
from deepstack.features._fold import fold, join_total, pad
from deepstack.features._measures import log_ratio
from deepstack.features._shared import log_return, volatility
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

PEERS = ("peers",)
SIGMA_BARS = 100


def _peers(bars: Bars) -> list[np.ndarray]:
    """One contiguous series a peer; summed peer by peer, so that the order of addition never depends on the length."""
    return [] if bars.peers is None else [np.ascontiguousarray(column) for column in bars.peers.T]


def _present(bars: Bars) -> np.ndarray:
    """How many peers have a bar."""

    def compute() -> np.ndarray:
        return sum((np.isfinite(peer).astype(float) for peer in _peers(bars)), np.zeros(len(bars)))

    return bars.once("peers_present", compute)


def _market(bars: Bars) -> np.ndarray:
    """Equal-weight mean log return of the peers present, 0 where none is. Lookback 1."""

    def compute() -> np.ndarray:
        summed = sum((np.where(np.isfinite(peer), peer, 0.0) for peer in _peers(bars)), np.zeros(len(bars)))
        return roll.ratio(summed, _present(bars))

    return bars.once("market_return", compute)


def _market_sigma(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("market_sigma", n), lambda: roll.std(_market(bars), n))


def _market_over(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("market_over", n), lambda: roll.total(_market(bars), n))


def _own_over(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("own_over", n), lambda: roll.total(log_return(bars), n))


def _peer_over(bars: Bars, n: int) -> list[np.ndarray]:
    """n-bar log return of each peer, NaN unless it was present at every bar; [bars] each. Lookback n."""
    if bars.peers is None:
        return []
    columns = np.ascontiguousarray(bars.peers.T)
    return list(bars.once(("peer_over", n), lambda: pad(fold((columns,), n, join_total)[0], len(bars))))


def _correlation(bars: Bars, n: int) -> np.ndarray:
    return bars.once(("market_correlation", n), lambda: roll.correlation(log_return(bars), _market(bars), n))


def _beta(bars: Bars, n: int) -> np.ndarray:
    """Slope of the return on the market's, within ±10, 0 where the market stands still. Lookback n + 1."""

    def compute() -> np.ndarray:
        slope = _correlation(bars, n) * roll.ratio(volatility(bars, n), _market_sigma(bars, n))
        return np.clip(slope, -10.0, 10.0)

    return bars.once(("market_beta", n), compute)


def _beta_feature(n: int) -> Feature:
    formula = f"slope over {n} of the log return on the market's, within ±10"
    return Feature(f"beta_{n}", formula, "ratio", n + 1, lambda b: _beta(b, n), PEERS)


def _correlation_feature(n: int) -> Feature:
    formula = f"correlation over {n} of the log return and the market's"
    return Feature(f"market_correlation_{n}", formula, "correlation", n + 1, lambda b: _correlation(b, n), PEERS)


def _residual(bars: Bars, n: int) -> np.ndarray:
    """n-bar log return not explained by beta times the market's, in its own sigma. Lookback 101."""
    unexplained = _own_over(bars, n) - _beta(bars, SIGMA_BARS) * _market_over(bars, n)
    share = np.sqrt(np.maximum(1.0 - _correlation(bars, SIGMA_BARS) ** 2, 1e-4))
    return roll.ratio(unexplained, volatility(bars, SIGMA_BARS) * share * math.sqrt(n))


def _residual_feature(n: int) -> Feature:
    formula = f"({n}-bar log return - beta_100 x the market's) / (sigma of 100 x sqrt(1 - correlation²) x sqrt({n}))"
    return Feature(f"idiosyncratic_return_{n}", formula, "sigma", SIGMA_BARS + 1, lambda b: _residual(b, n), PEERS)


def _momentum(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        return roll.ratio(_market_over(b, n), _market_sigma(b, SIGMA_BARS) * math.sqrt(n))

    formula = f"{n}-bar log return of the market / (its sigma of 100 x sqrt({n}))"
    return Feature(f"market_momentum_{n}", formula, "sigma", max(n, SIGMA_BARS), compute, PEERS)


def _strength(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        known = _present(b) > 0.0
        gap = np.where(known, _own_over(b, n) - _market_over(b, n), 0.0)
        return roll.ratio(gap, volatility(b, SIGMA_BARS) * math.sqrt(n))

    formula = f"({n}-bar log return - the market's) / (sigma of 100 x sqrt({n})), 0 while no peer is present"
    return Feature(f"relative_strength_{n}", formula, "sigma", max(n, SIGMA_BARS) + 1, compute, PEERS)


def _lead(bars: Bars, k: int) -> np.ndarray:
    """Correlation over 100 with the market k bars before (k > 0), or of the market with this one -k bars before."""

    def compute() -> np.ndarray:
        r, m = log_return(bars), _market(bars)
        return roll.correlation(r, roll.lag(m, k), 100) if k > 0 else roll.correlation(roll.lag(r, -k), m, 100)

    return bars.once(("market_lead", k), compute)


def _lagged(k: int) -> Feature:
    formula = f"market return {k - 1} bars ago / its sigma of 100 x correlation over 100 of return and it {k} bars back"

    def compute(b: Bars) -> np.ndarray:
        return _lead(b, k) * roll.ratio(roll.lag(_market(b), k - 1), _market_sigma(b, SIGMA_BARS))

    return Feature(f"market_lead_signal_{k}", formula, "sigma", SIGMA_BARS + k + 1, compute, PEERS)


def _breadth(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        signs = np.zeros(len(b))
        known = np.zeros(len(b))
        for moved in _peer_over(b, n):
            finite = np.isfinite(moved)
            signs += np.where(finite, np.sign(moved), 0.0)
            known += finite
        return roll.ratio(signs, known)

    formula = f"(peers up - peers down over {n} bars) / peers known"
    return Feature(f"market_breadth_{n}", formula, "fraction", n, compute, PEERS)


def _rank(n: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        own = _own_over(b, n)
        beaten, known = 0.0 * own, np.zeros(len(b))
        for moved in _peer_over(b, n):
            finite = np.isfinite(moved)
            beaten += np.where(finite, np.sign(own - moved), 0.0)
            known += finite
        return roll.ratio(beaten, known)

    formula = f"(peers beaten - peers that did better, by {n}-bar log return) / peers known: -1 last, 1 first"
    return Feature(f"peer_rank_{n}", formula, "rank", n + 1, compute, PEERS)


def _dispersion(bars: Bars) -> np.ndarray:
    """Cross-sectional variance of the peers' returns at each bar, 0 with fewer than two. Lookback 1."""

    def compute() -> np.ndarray:
        market = _market(bars)
        squares = (np.where(np.isfinite(peer), (peer - market) ** 2, 0.0) for peer in _peers(bars))
        return roll.ratio(sum(squares, np.zeros(len(bars))), _present(bars))

    return bars.once("peer_dispersion", compute)


def _cohesion(bars: Bars) -> np.ndarray:
    common = _market_sigma(bars, 50) ** 2
    return roll.ratio(common, common + roll.mean(_dispersion(bars), 50))


def _downside_correlation(bars: Bars) -> np.ndarray:
    return roll.correlation(np.minimum(log_return(bars), 0.0), np.minimum(_market(bars), 0.0), 100)


def _presence(bars: Bars) -> np.ndarray:
    count = 0 if bars.peers is None else bars.peers.shape[1]
    return roll.mean(_present(bars), 20) / max(count, 1)


FEATURES: tuple[Feature, ...] = (
    *(_beta_feature(n) for n in (20, 50, 100)),
    Feature("beta_change_20_100", "beta_20 - beta_100", "ratio", 101, lambda b: _beta(b, 20) - _beta(b, 100), PEERS),
    *(_correlation_feature(n) for n in (20, 50, 100)),
    Feature(
        "downside_correlation_100", "correlation over 100 of min(log return, 0) and the market's", "correlation", 101,
        _downside_correlation, PEERS,
    ),
    *(_residual_feature(n) for n in (1, 5, 20)),
    Feature(
        "idiosyncratic_share_100", "1 - market_correlation_100²: share of variance the market does not explain",
        "fraction", 101, lambda b: 1.0 - _correlation(b, 100) ** 2, PEERS,
    ),
    Feature(
        "lead_correlation_1_100", "correlation over 100 of the log return and the market's one bar before",
        "correlation", 101, lambda b: _lead(b, 1), PEERS,
    ),
    Feature(
        "lag_correlation_1_100", "correlation over 100 of the market's log return and this one's one bar before",
        "correlation", 102, lambda b: _lead(b, -1), PEERS,
    ),
    Feature(
        "lead_minus_lag_1_100", "lead_correlation_1_100 - lag_correlation_1_100: positive where the market leads",
        "correlation", 102, lambda b: _lead(b, 1) - _lead(b, -1), PEERS,
    ),
    *(_lagged(k) for k in (1, 2)),
    *(_strength(n) for n in (5, 20, 100)),
    *(_momentum(n) for n in (1, 5, 20, 100)),
    Feature(
        "market_volatility_ratio_20_100", "ln(sigma of the market's log returns of 20 / of 100), within ±5",
        "log ratio", 100, lambda b: log_ratio(_market_sigma(b, 20), _market_sigma(b, 100)), PEERS,
    ),
    Feature(
        "own_market_volatility_100", "ln(sigma / the market's sigma), over 100, within ±5", "log ratio", 101,
        lambda b: log_ratio(volatility(b, 100), _market_sigma(b, 100)), PEERS,
    ),
    *(_breadth(n) for n in (1, 20)),
    *(_rank(n) for n in (1, 20, 100)),
    Feature(
        "peer_dispersion_relative_20",
        "ln(mean over 20 / over 100 of the cross-sectional variance of the peers), within ±5", "log ratio", 100,
        lambda b: log_ratio(roll.mean(_dispersion(b), 20), roll.mean(_dispersion(b), 100)), PEERS,
    ),
    Feature(
        "market_cohesion_50", "variance of the market / (that + mean cross-sectional variance), over 50", "fraction",
        50, _cohesion, PEERS,
    ),
    Feature("peers_present_20", "mean over 20 of the share of peers that have a bar", "fraction", 20, _presence, PEERS),
)  # fmt: skip
