"""The best AUC any model can reach on the synthetic market: futures simulated from the generator's own state."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepstack.candles.simulator import MEMORY_BARS, Tape, draw, step
from deepstack.candles.synthetic import WARM_UP_BARS, simulate, to_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.errors import DataError
from deepstack.labels.breakout import find_breakouts
from deepstack.labels.outcome import Bar, resolve, result_in_r

SHARD_COLUMNS = 8192


class Attainable(NamedTuple):
    """AUC of the Bayes classifier and its standard error over candidates, both in [0, 1]."""

    auc: float
    standard_error: float


def attainable_auc(
    config: SyntheticConfig, labels: LabelsConfig, seed: int, candidates: int = 2000, paths: int = 512
) -> Attainable:
    """AUC of the classifier that knows the true probability of every breakout trade to be won.

    Breakouts are found in the market of `seed`, up to `candidates` of them are drawn at random, `paths` futures of each
    are simulated with the generator's own step, and ended by the labels' own rule. The classifier sees the hidden
    states too (regime, activity, asymmetry), so the figure is an upper bound for a model that sees candles only.

    A score estimated from n futures ranks a little worse than the true probability, by a loss that falls as 1/n: scores
    from a quarter and from a half of the futures extrapolate it away. The other half gives the outcomes, so no score is
    judged on the futures it was made from.

    Raises:
        DataError: fewer than two candidates, or all or none of their futures are won.
    """
    scores_half, scores_quarter, outcomes = _probabilities(config, labels, seed, candidates, max(paths // 4, 1))
    if len(outcomes) < 2 or not 0.0 < outcomes.mean() < 1.0:
        raise DataError(
            "attainable AUC",
            expected="two or more breakouts with won and lost futures",
            received=f"{len(outcomes)} breakouts",
            remedy="more data.synthetic.bars or other labels settings",
        )
    half, influence_half = expected_auc(scores_half, outcomes)
    quarter, influence_quarter = expected_auc(scores_quarter, outcomes)
    influence = 2.0 * influence_half - influence_quarter
    return Attainable(2.0 * half - quarter, float(influence.std(ddof=1) / np.sqrt(len(influence))))


def expected_auc(scores: np.ndarray, probabilities: np.ndarray) -> tuple[float, np.ndarray]:
    """AUC of `scores` when sample i is positive with probability `probabilities[i]`, over all ordered pairs.

    Returns:
        the AUC, ties counting one half.
        its influence values, float64 [samples], mean 0: their variance / n is the variance of the AUC.
    """
    order = np.argsort(scores, kind="stable")
    _, first, inverse, count = np.unique(scores[order], return_index=True, return_inverse=True, return_counts=True)

    def share_below(weights: np.ndarray) -> np.ndarray:
        total = np.concatenate([[0.0], np.cumsum(weights[order])])
        middle = 0.5 * (total[first] + total[first + count]) / total[-1]
        result = np.empty(len(scores))
        result[order] = middle[inverse]
        return result

    negatives = 1.0 - probabilities
    below, above = share_below(negatives), 1.0 - share_below(probabilities)
    auc = float(np.average(below, weights=probabilities))
    influence = probabilities / probabilities.mean() * (below - auc) + negatives / negatives.mean() * (above - auc)
    return auc, influence


def _probabilities(
    config: SyntheticConfig, labels: LabelsConfig, seed: int, candidates: int, quarter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of won futures a candidate: in half of them, in a quarter, and in the other half."""
    tape = simulate(config, seed)
    rng = np.random.default_rng([seed, 2])
    rows, columns, side, risk = _candidates(tape, config, seed, labels)
    chosen = rng.permutation(len(rows))[:candidates]
    parts = []
    for shard in _shards(chosen, max(SHARD_COLUMNS // (4 * quarter), 1)):
        futures = tape.branch(rows[shard], columns[shard], 4 * quarter, labels.max_holding_bars)
        won = _simulate_outcomes(futures, side[shard], risk[shard], config, labels, rng)
        parts.append([won[:, : 2 * quarter].mean(1), won[:, :quarter].mean(1), won[:, 2 * quarter :].mean(1)])
    joined = np.concatenate(parts, axis=1) if parts else np.empty((3, 0))
    return joined[0], joined[1], joined[2]


def _candidates(
    tape: Tape, config: SyntheticConfig, seed: int, labels: LabelsConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tape row, column, side and risk (in the tape's prices) of every breakout."""
    found: list[tuple[np.ndarray, ...]] = []
    for column, candles in enumerate(to_market(tape, config, seed).values()):
        rows, side, risk = find_breakouts(candles, labels)
        price = candles.frame["close"].to_numpy()[rows]
        rows, relative_risk = rows + WARM_UP_BARS, risk / price
        found.append((rows, np.full_like(rows, column), side, relative_risk * tape.close[rows, column]))
    rows, columns, side, risk = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, side, risk


def _shards(chosen: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]


def _simulate_outcomes(
    futures: Tape,
    side: np.ndarray,
    risk: np.ndarray,
    config: SyntheticConfig,
    labels: LabelsConfig,
    rng: np.random.Generator,
) -> np.ndarray:
    """Whether each future of each candidate is won, bool [candidates, futures]."""
    width = futures.season.shape[1]
    count = width // len(side)
    side, risk = np.repeat(side, count), np.repeat(risk, count)

    def advance(row: int) -> None:
        step(futures, row, draw(rng, 1, width).bar(0), config.edge)

    def bar_at(k: int) -> Bar:
        row = MEMORY_BARS + k
        if k > 0:
            advance(row)
        return Bar(futures.open[row], futures.high[row], futures.low[row], futures.close[row])

    advance(MEMORY_BARS)
    entry_price = futures.open[MEMORY_BARS]
    outcome = resolve(bar_at, side, entry_price, risk, labels)
    _, net_r = result_in_r(side, entry_price, outcome.exit_price, risk, labels)
    return (net_r > 0.0).reshape(-1, count)
