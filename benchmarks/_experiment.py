"""One training of a config's network on a synthetic market, without report or artifact, as the edge benchmarks need."""

import gc
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from deepstack.artifact.model import class_probabilities
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import Task, fit_baselines
from deepstack.evaluation.threshold import choose_threshold
from deepstack.labels.labelled import Labels
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.models.inputs import BASE
from deepstack.pipeline.samples import Found, find, part, slices
from deepstack.pipeline.train import train

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
    entry, head = catalogue.line_of(config.model), head_of(config.labels, config.model)
    found = find(candles, config, entry)
    if shuffle:
        found = Found(_shuffled(found.labels, seed), found.seen)
    parts = slices(found, interval, config)
    split, x, codes = parts.split, parts.inputs[BASE], parts.labels.codes[:, 0]
    with tempfile.TemporaryDirectory() as folder:
        fitted = train(config.model_copy(update={"seed": seed}), parts, Path(folder))
    validation, test = (
        class_probabilities(fitted.model, head, part(parts.inputs, i), parts.priors)[:, 0, 1]
        for i in (split.validation, split.test)
    )
    net_r = parts.labels.outcome_r[:, 0]
    taken = choose_threshold(validation, net_r[split.validation], config.evaluation.min_coverage).take(test)
    task = Task(
        *(x[split.train], codes[split.train], parts.weight[split.train, 0].astype(np.float64)),
        *(x[split.validation], codes[split.validation]),
        x_test=x[split.test],
        priors=None if parts.priors is None else parts.priors[0],
        seed=seed,
    )
    fitted_baselines = fit_baselines(task, task, config.evaluation.model_copy(update={"baselines": baselines}))
    won = codes[split.test]
    gross_r = parts.labels.samples["gross_r"].to_numpy()
    outcome = Outcome(
        auc=float(roc_auc_score(won, test)),
        baseline_auc={name: float(roc_auc_score(won, fitted_baselines[name].of_class(1).test)) for name in baselines},
        gross_r=float(gross_r[split.test][taken].mean()),
        taken=int(taken.sum()),
        test=len(test),
        seconds=time.perf_counter() - started,
    )
    keras.utils.clear_session()
    gc.collect()
    return outcome


def _shuffled(labels: Labels, seed: int) -> Labels:
    """The same samples with their outcomes permuted."""
    order, columns = np.random.default_rng(seed).permutation(len(labels)), ["won", "net_r", "gross_r"]
    samples = labels.samples.assign(**{name: labels.samples[name].to_numpy()[order] for name in columns})
    parts = {name: getattr(labels, name)[order] for name in ("codes", "outcome_r", "cost_r")}
    return replace(labels, samples=samples, **parts)
