"""How sure the figures are: a bootstrap over blocks of calendar time, all symbols together, paired between models.

Trades overlap in time and symbols move together, so single trades are not independent and resampling them one by one
would promise too much. Whole stretches of the calendar, of random lengths, are resampled instead, wrapped at the end
(the stationary bootstrap: Politis & Romano 1994).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.evaluation.times import milliseconds

MIN_BLOCKS = 10
"""With fewer blocks in the slice a bootstrap says nothing; intervals are then null."""

_CELLS_AT_ONCE = 2_000_000

Statistic = Callable[[np.ndarray], np.ndarray]
"""Counts [resamples, trades], how often each resample holds each trade → statistic [resamples], NaN if undefined."""


def block_length_ms(decided_ms: np.ndarray, end_ms: np.ndarray) -> int:
    """Mean length of a block: five times the longest label, less where the slice holds under 20, never under one label.

    Two trades are dependent while their labels overlap. Blocks of one label length would cut most overlapping pairs
    apart and miss a third of their covariance; blocks of five miss about a fifteenth.
    """
    longest = int((end_ms - decided_ms).max())
    span = int(decided_ms.max() - decided_ms.min())
    return max(longest, min(5 * longest, span // 20))


def block_resamples(decided_ms: np.ndarray, block_ms: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Resample the calendar in blocks and count how often each trade is drawn.

    The calendar from the first to the last decision is closed to a circle. Blocks begin anywhere on it and have
    exponential lengths, the geometric ones of a calendar without bars. As many are drawn as cover the circle once, the
    last one cut, so that each trade is expected once.

    Args:
        decided_ms: int64 [trades], rising decision times in milliseconds; trades of all symbols together.
        block_ms: mean length of a block.
        resamples: how many.
        seed: of the draw; the same arguments give the same resamples, which is what pairs two models.

    Yields:
        Counts, float64 [some resamples, trades], until all resamples are given. Nothing when the calendar holds fewer
        than MIN_BLOCKS blocks.
    """
    moments = decided_ms - decided_ms[0]
    circle = int(moments[-1]) + 1
    blocks = circle // max(block_ms, 1)
    if blocks < MIN_BLOCKS:
        return
    draws = blocks + 8 * int(np.sqrt(blocks)) + 8
    random = np.random.default_rng(seed)
    starts = random.uniform(0.0, circle, size=(resamples, draws))
    lengths = np.minimum(random.exponential(circle / blocks, size=(resamples, draws)), circle)
    lengths[:, -1] = circle  # what the others have left open
    left = circle - np.cumsum(lengths, axis=1) + lengths
    ends = starts + np.clip(left, 0.0, lengths)
    first, last, wrapped = (
        np.searchsorted(moments, moment, side="left") for moment in (starts, np.minimum(ends, circle), ends - circle)
    )
    width = len(moments) + 1
    step = max(1, _CELLS_AT_ONCE // width)
    for at in range(0, resamples, step):
        chunk = slice(at, min(at + step, resamples))
        rows = width * np.arange(chunk.stop - chunk.start)[:, None]
        size = width * len(rows)
        change = np.bincount((rows + first[chunk]).ravel(), minlength=size).astype(np.float64)
        change -= np.bincount((rows + last[chunk]).ravel(), minlength=size)
        change -= np.bincount((rows + wrapped[chunk]).ravel(), minlength=size)
        change = change.reshape(len(rows), width)
        change[:, 0] += draws
        yield np.cumsum(change, axis=1)[:, :-1]


def mean_over(values: np.ndarray, chosen: np.ndarray | None = None) -> Statistic:
    """Statistic: the mean of values [trades], over the chosen (bool [trades]) trades of each resample."""
    weights = np.ones(len(values)) if chosen is None else chosen.astype(np.float64)
    sums = np.stack([np.asarray(values, dtype=np.float64) * weights, weights], axis=1)

    def statistic(counts: np.ndarray) -> np.ndarray:
        total, count = (counts @ sums).T
        with np.errstate(invalid="ignore"):
            return total / count

    return statistic


def auc_of(won: np.ndarray, probability: np.ndarray) -> Statistic:
    """Statistic: area under the ROC curve, ties counted half.

    The order of the probabilities is the same in every resample, so they are sorted once and only counts are summed.
    """
    winners, losers = np.flatnonzero(won), np.flatnonzero(~won)
    losers = losers[np.argsort(probability[losers], kind="stable")]
    below, not_above = (np.searchsorted(probability[losers], probability[winners], side=s) for s in ("left", "right"))

    def statistic(counts: np.ndarray) -> np.ndarray:
        beaten = np.zeros((len(counts), len(losers) + 1))
        np.cumsum(counts[:, losers], axis=1, out=beaten[:, 1:])
        wins = counts[:, winners]
        favourable = np.einsum("rw,rw->r", wins, beaten[:, below] + beaten[:, not_above])
        with np.errstate(invalid="ignore"):
            return 0.5 * favourable / (wins.sum(axis=1) * beaten[:, -1])

    return statistic


def log_losses(won: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Log-loss of each trade in nats, float64 [trades], clipped like scikit-learn's."""
    tiny = np.finfo(np.float64).eps
    of_outcome = np.where(won, probability, 1.0 - probability)
    return -np.log(np.clip(of_outcome, tiny, 1.0 - tiny))


def bootstrap(
    statistics: Mapping[str, Statistic], trades: pd.DataFrame, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Every statistic on the same block resamples of the trades, so that differences between statistics are paired.

    Args:
        statistics: by name.
        trades: frame of TRADE_COLUMNS, sorted by decision time.
        resamples: how many.
        seed: of the draw.

    Returns:
        Name → float64 [resamples], NaN where undefined; empty arrays when the slice is too short for blocks.
    """
    decided_ms, end_ms = milliseconds(trades["decision_time"]), milliseconds(trades["end_time"])
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    for counts in block_resamples(decided_ms, block_length_ms(decided_ms, end_ms), resamples, seed):
        for name, statistic in statistics.items():
            drawn[name].append(statistic(counts))
    return {name: np.concatenate(values) if values else np.empty(0) for name, values in drawn.items()}


def interval95(values: np.ndarray) -> list[float] | None:
    """The central 95 % of bootstrap values; None when more than one in twenty is undefined or there are none."""
    defined = values[np.isfinite(values)]
    if len(defined) == 0 or len(defined) < 0.95 * len(values):
        return None
    return [float(bound) for bound in np.quantile(defined, [0.025, 0.975])]


@dataclass(frozen=True)
class Difference:
    """One model's figure minus another's on the same trades.

    Attributes:
        estimate: the difference on the slice; None when either figure is undefined.
        ci95: its 95 % interval, None when undefined.
        p_value: two-sided, from the share of resamples on the far side of 0 (Davison & Hinkley 1997, ch. 4); None when
            undefined.
    """

    estimate: float | None
    ci95: list[float] | None
    p_value: float | None


def difference(first: Statistic, second: Statistic, trades: pd.DataFrame, resamples: int, seed: int) -> Difference:
    """Paired block bootstrap of `first - second`."""
    whole = np.ones((1, len(trades)))
    estimate = float(first(whole)[0] - second(whole)[0])
    drawn = bootstrap({"first": first, "second": second}, trades, resamples, seed)
    values = drawn["first"] - drawn["second"]
    interval = interval95(values)
    if interval is None or not np.isfinite(estimate):
        return Difference(estimate if np.isfinite(estimate) else None, None, None)
    values = values[np.isfinite(values)]
    side = min(np.count_nonzero(values <= 0.0), np.count_nonzero(values >= 0.0))
    return Difference(estimate, interval, min(1.0, 2.0 * (side + 1) / (len(values) + 1)))


def paired_test(
    trades: pd.DataFrame,
    network: tuple[np.ndarray, np.ndarray],
    baseline: tuple[np.ndarray, np.ndarray],
    resamples: int,
    seed: int,
) -> dict[str, Difference]:
    """Network minus baseline on the same trades.

    Args:
        trades: frame of TRADE_COLUMNS, sorted by decision time.
        network, baseline: probability float64 [trades] and taken bool [trades].
        resamples: how many.
        seed: of the draw.

    Returns:
        `auc`, `log_loss` (negative means the network is better) and `expectancy_r` of the taken trades.
    """
    won, net_r = trades["won"].to_numpy(bool), trades["net_r"].to_numpy(np.float64)
    pairs = {
        "auc": [auc_of(won, probability) for probability, _ in (network, baseline)],
        "log_loss": [mean_over(log_losses(won, probability)) for probability, _ in (network, baseline)],
        "expectancy_r": [mean_over(net_r, taken) for _, taken in (network, baseline)],
    }
    return {name: difference(first, second, trades, resamples, seed) for name, (first, second) in pairs.items()}
