"""One training of a config's network on a synthetic market, without report or artifact, as the edge benchmarks need."""

import gc
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from deepstack.artifact.model import win_probability
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import fit_baselines
from deepstack.evaluation.threshold import choose_threshold
from deepstack.models import catalogue
from deepstack.pipeline.samples import candidates, slices
from deepstack.training.fit import fit

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """What one training came to on its test slice."""

    auc: float
    baseline_auc: dict[str, float]
    gross_r: float
    taken: int
    test: int
    seconds: float


def default_config(**training: object) -> RunConfig:
    """configs/ultimate.yaml with some training keys replaced."""
    config = read_config(ROOT / "configs" / "ultimate.yaml")
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def experiment(
    config: RunConfig, market: SyntheticConfig, seed: int, *, shuffle: bool = False, baselines: tuple[str, ...] = ()
) -> Outcome:
    """Train the config's network on one market and judge it on the test slice.

    Args:
        shuffle: permute the outcomes among all trades first: no model can know them.
        baselines: which of them to fit as well.
    """
    started = time.perf_counter()
    candles = make_market(market, seed)
    interval = next(iter(candles.values())).interval
    found = candidates(candles, config.features, config.labels)
    if shuffle:
        order = np.random.default_rng(seed).permutation(len(found.trades))
        for column in ("won", "net_r", "gross_r"):
            found.trades[column] = found.trades[column].to_numpy()[order]
    parts = slices(found, interval, config)
    split, scaled, won = parts.split, parts.scaled, parts.won
    train, checks = parts.samples(split.train), parts.samples(split.validation)
    build = partial(
        catalogue.build, config.model.name, {"features": (len(scaled.names),)}, "binary", config.model.options
    )
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(build, train, checks, config.training, seed=seed, folder=Path(folder))
    validation, test = (
        win_probability(fitted.model, scaled.x[i], scaled.prior) for i in (split.validation, split.test)
    )
    net_r = found.trades["net_r"].to_numpy()
    taken = choose_threshold(validation, net_r[split.validation], config.evaluation.min_coverage).take(test)
    rows = [scaled.x[i] for i in (split.train, split.validation, split.test)]
    fitted_baselines = fit_baselines(
        rows[0],
        won[split.train],
        scaled.weight[split.train],
        rows[1],
        won[split.validation],
        rows[2],
        config.evaluation.model_copy(update={"baselines": baselines}),
        seed=seed,
        prior=scaled.prior,
    )
    outcome = Outcome(
        auc=float(roc_auc_score(won[split.test], test)),
        baseline_auc={name: float(roc_auc_score(won[split.test], fitted_baselines[name].test)) for name in baselines},
        gross_r=float(found.trades["gross_r"].to_numpy()[split.test][taken].mean()),
        taken=int(taken.sum()),
        test=len(test),
        seconds=time.perf_counter() - started,
    )
    keras.utils.clear_session()
    gc.collect()
    return outcome
