"""The planted edge as a learner meets it: trees on the true statistics come near the attainable AUC, no line does."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.labels import LabelsConfig
from deepstack.labels.attainable import attainable_auc
from deepstack.labels.breakout import label_breakouts


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Relative volume and wick asymmetry at each breakout, made from candles alone; and whether it was won."""
    market = make_market(SyntheticConfig(symbols=32, bars=12_000, edge=1.0), seed)
    trades = label_breakouts(market, LabelsConfig())
    values = np.empty((len(trades), 2))
    for symbol, candles in market.items():
        f = candles.frame
        volume = f["volume"].rolling(10).mean() / f["volume"].rolling(100).mean()
        body = f[["open", "close"]]
        wick = (f["high"] - body.max(axis=1) - body.min(axis=1) + f["low"]) / (f["high"] - f["low"])
        table = pd.DataFrame({"b": np.log(volume), "a": wick.rolling(20).mean()})
        mine = (trades["symbol"] == symbol).to_numpy()
        values[mine] = table.loc[trades.loc[mine, "decision_time"]].to_numpy()
    known = np.isfinite(values).all(axis=1)
    return values[known], trades["won"].to_numpy()[known]


@pytest.mark.slow
def test_share_of_the_excess_that_models_reach() -> None:
    best = attainable_auc(SyntheticConfig(edge=1.0), LabelsConfig(), seed=1).auc - 0.5
    (x, won), (x_test, won_test) = samples(1), samples(2)
    line = LogisticRegression().fit(x, won)
    trees = HistGradientBoostingClassifier(max_leaf_nodes=12, min_samples_leaf=200, learning_rate=0.05).fit(x, won)
    line_share, trees_share = (
        (roc_auc_score(won_test, model.predict_proba(x_test)[:, 1]) - 0.5) / best for model in (line, trees)
    )
    assert line_share < 0.60
    assert trees_share > 0.88
