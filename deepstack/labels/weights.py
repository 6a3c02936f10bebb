"""Sample weights: less for trades that share their bars, equal weight for both classes, and the way back."""

import numpy as np
import pandas as pd

from deepstack.errors import DataError


def uniqueness(trades: pd.DataFrame, interval: pd.Timedelta) -> np.ndarray:
    """Average uniqueness of each trade: the mean over its bars of 1 / (trades of the same symbol open in that bar).

    A trade is open from its entry bar to its exit bar, both included.

    Args:
        trades: columns symbol, entry_time and end_time of TRADE_COLUMNS, in any order.
        interval: length of a bar.

    Returns:
        float64 [trades] in (0, 1]; 1 means that no other trade was open. Each value needs the trades that overlap it,
        later ones included: a weight for training, never a feature.

    Source: López de Prado 2018, Advances in Financial Machine Learning, chapter 4.
    """
    length = interval // pd.Timedelta(1, "ms")
    result = np.empty(len(trades))
    for positions in trades.groupby("symbol", sort=False).indices.values():
        rows = trades.iloc[positions]
        entry_ms = pd.DatetimeIndex(rows["entry_time"]).as_unit("ms").asi8
        end_ms = pd.DatetimeIndex(rows["end_time"]).as_unit("ms").asi8
        origin = entry_ms.min()
        first, stop = (entry_ms - origin) // length, (end_ms - origin) // length
        bars = int(stop.max())
        opened, closed = np.bincount(first, minlength=bars + 1), np.bincount(stop, minlength=bars + 1)
        concurrency = np.cumsum(opened - closed)
        shares = np.concatenate([[0.0], np.cumsum(1.0 / np.maximum(concurrency, 1))])
        result[positions] = (shares[stop] - shares[first]) / (stop - first)
    return result


def class_balance(won: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Scale the weights of each class so that winners carry a given share of the total.

    Args:
        won: bool [samples].
        weights: float64 [samples], ≥ 0, for instance `uniqueness`.
        share: 0.5 balances the classes; the plain share of winners undoes what `weights` did to it.

    Returns:
        float64 [samples], mean 1.

    Raises:
        DataError: a class has no weight.
    """
    won = np.asarray(won, bool)
    total, positive = float(weights.sum()), float(weights[won].sum())
    if not 0.0 < positive < total:
        raise DataError(
            "class balance",
            expected="won and lost trades with positive weights",
            received=f"{int(won.sum())} won of {len(won)}, weight {positive:g} of {total:g}",
            remedy="a longer training slice",
        )
    return len(won) * weights * np.where(won, share / positive, (1.0 - share) / (total - positive))


def correct_prior(probability: np.ndarray, prior: float) -> np.ndarray:
    """Map a probability learnt with balanced classes back to the prior: its odds times prior / (1 − prior).

    Exact for the true probability: if q is P(won | x) with the classes weighted to one half each, this is P(won | x).
    Inverse: `correct_prior(p, 1 − prior)`.

    Args:
        probability: of the balanced model, in [0, 1], any shape.
        prior: share of winners, in (0, 1).

    Source: Elkan 2001, The foundations of cost-sensitive learning, IJCAI, theorem 2.
    """
    positive = probability * prior
    return positive / (positive + (1.0 - probability) * (1.0 - prior))
