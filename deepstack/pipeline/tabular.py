"""The features of the decision's bar, for the baselines of a model that sees raw candles: what trees are good at."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from deepstack.candles.market import Market
from deepstack.config.features import FeaturesConfig
from deepstack.features.scale import fit_scaler
from deepstack.features.screen import screen_features
from deepstack.features.select import select_features
from deepstack.features.table import make_table
from deepstack.progress import Progress
from deepstack.samples.scaled import scale_in_place, thinned

SELECT_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class Tabular:
    """The features of every group at each sample.

    Attributes:
        values: float32 [samples, features], unscaled.
        names: of the features.
    """

    values: np.ndarray
    names: tuple[str, ...]


def tabular_of(market: Market, samples: pd.DataFrame, progress: Progress) -> tuple[Tabular, np.ndarray]:
    """The features, and the positions of the samples where they are known, int64."""
    table = make_table(market, progress=partial(progress, "features of the baselines"))
    rows = table.locate(samples["symbol"], samples["decision_time"])
    known = np.flatnonzero(rows >= 0)
    return Tabular(table.values[rows[known]], table.names), known


def selected(
    tabular: Tabular, codes: np.ndarray, train: np.ndarray, config: FeaturesConfig, seed: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The features a config would select, scaled, both fitted on the training samples; the table is overwritten.

    Args:
        codes: int [samples, outputs].
        train: positions of the training samples.

    Returns:
        float32 [samples, selected], and their names.
    """
    rows = thinned(train, SELECT_ROWS, seed)
    values = tabular.values[rows]
    distinct = select_features(values, tabular.names, config)
    kept = values[:, [tabular.names.index(name) for name in distinct]]
    names = screen_features(kept, codes[rows], distinct, config.max_features)
    columns = [tabular.names.index(name) for name in names]
    scaler = fit_scaler(tabular.values[train][:, columns], config)
    return np.asarray(scale_in_place(tabular.values, columns, scaler)), tuple(names)
