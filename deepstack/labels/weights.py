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


def class_balance(codes: np.ndarray, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Scale the weights of each class so that it carries a given share of the total.

    Args:
        codes: int [samples], class of each.
        weights: float64 [samples], ≥ 0, for instance `uniqueness`.
        shares: float64 [classes], sum 1: equal ones balance the classes; the plain shares undo what `weights` did.

    Returns:
        float64 [samples], mean 1.

    Raises:
        DataError: a class has no weight.
    """
    totals = np.bincount(codes, weights=weights, minlength=len(shares))
    if not (totals > 0.0).all():
        raise DataError(
            "class balance",
            expected=f"each of {len(shares)} classes with a positive weight",
            received=f"weights {', '.join(f'{total:g}' for total in totals)} over {len(codes)} samples",
            remedy="a longer training slice",
        )
    return len(codes) * weights * (shares / totals)[codes]


def correct_priors(probability: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Map probabilities learnt with balanced classes back to the priors: each times its prior, normalised.

    Exact for the true probabilities: if q is P(class | x) with the classes weighted alike, this is P(class | x).

    Args:
        probability: of the balanced model, [..., classes].
        priors: shares of the classes, [classes].

    Source: Elkan 2001, The foundations of cost-sensitive learning, IJCAI, theorem 2.
    """
    raised = probability * priors
    return raised / raised.sum(axis=-1, keepdims=True)
