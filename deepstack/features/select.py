"""Drop columns that say nothing, or nothing new: constant ones and near-duplicates, judged on training rows alone."""

from collections.abc import Sequence

import numpy as np

from deepstack.config.features import FeaturesConfig
from deepstack.errors import DataError
from deepstack.features.scale import fit_scaler

BLOCK_ROWS = 65_536


def select_features(
    train: np.ndarray,
    names: Sequence[str],
    config: FeaturesConfig = FeaturesConfig(),  # noqa: B008 - frozen
) -> tuple[str, ...]:
    """Names worth keeping, in their given order.

    Columns are judged as the network will see them, clipped and standardised, so that one outlier can neither make two
    columns look alike nor keep an otherwise constant column. Of two columns whose absolute Pearson correlation
    exceeds `config.max_correlation` the later is dropped; a column already dropped drops no other.

    Args:
        train: float32 [rows, features], finite.
        names: one a column.
        config: `clip_quantile` and `max_correlation`.

    Raises:
        DataError: every column is constant, or as `fit_scaler`.
    """
    scaler = fit_scaler(train, config)
    gram = np.zeros((train.shape[1], train.shape[1]))
    for first in range(0, len(train), BLOCK_ROWS):
        block = scaler.transform(train[first : first + BLOCK_ROWS])
        gram += block.T @ block
    power = np.diag(gram)
    varies = power > 0.5 * len(train)  # 1 a row for a standardised column, 0 for a constant one
    spread = np.sqrt(np.where(varies, power, 1.0))
    alike = np.minimum(np.abs(gram / np.outer(spread, spread)), 1.0) > config.max_correlation
    kept: list[int] = []
    for column in np.flatnonzero(varies):
        if not alike[column, kept].any():
            kept.append(int(column))
    if not kept:
        raise DataError(
            "training features",
            expected="a column that varies",
            received=f"{len(names)} constant columns",
            remedy="more training rows, or other candles",
        )
    return tuple(names[column] for column in kept)
