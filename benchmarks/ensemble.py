"""Two complementary edges: an ensemble must beat its best member where each member can see only one of them.

Whether a trade wins depends on the product of two features of its bar (a rule for a tabular network) and on which of
two shapes stands somewhere in its window (a rule for a convolution that pools over time), each worth half. Members are
trained apart and combined on validation as the product does it; the ensemble's AUC minus the best member's, on test,
must be above 0 with its whole 95 % interval, by a paired block bootstrap. The best member is chosen on test, against
the ensemble. About three minutes on 2 cores: `python benchmarks/ensemble.py`.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from _result import Bar, write_result

from deepstack.artifact.model import class_probabilities
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.evaluation.significance import auc_of, difference
from deepstack.labels.labelled import Labels
from deepstack.models.heads import head_of
from deepstack.pipeline.samples import Slices, part
from deepstack.pipeline.train_members import train_members
from deepstack.samples.split import Split
from deepstack.samples.windows import Windows

SAMPLES, BARS, FEATURES = 24_000, 48, 6
METHODS = ("mean", "weighted", "stacking", "neural_stacking")
STRENGTH = 1.0
OPTIONS = """{
  other_models: [sequential], cnn_models: [cnn1d], rnn_models: [], ensemble_method: METHOD,
  options: {sequential: {layers: 12, width: 32}, cnn1d: {filters: [32, 32, 32], units: 32}}
}"""


@dataclass(frozen=True)
class Outcome:
    """AUC of the members and the ensemble, and the paired difference to the best member."""

    method: str
    members: dict[str, float]
    ensemble: float
    low: float
    estimate: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    parts, truth = planted(arguments.seed)
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:  # the members are trained once and read again for every other method
            outcomes.append(judged(config_of(method, arguments.seed), parts, Path(folder), method))
            print(outcomes[-1], flush=True)
    bars = [
        Bar(f"ensemble by {one.method} over its best member, AUC, lower end of the 95 % interval", one.low, ">=", 0.0)
        for one in outcomes
        if one.method in ("weighted", "stacking")
    ]
    sys.exit(write_result("ensemble", bars, attainable_auc=truth, outcomes=[vars(one) for one in outcomes]))


def config_of(method: str, seed: int) -> RunConfig:
    """The ensemble's config."""
    return read_config(
        None,
        (
            "name=planted",
            f"seed={seed}",
            "model.name=ensemble",
            f"model.options={OPTIONS.replace('METHOD', method)}",
            "training.epochs=12",
            "training.early_stopping_epochs=4",
            "training.learning_rate=0.002",
            "training.strategy=none",
        ),
    )


def planted(seed: int) -> tuple[Slices, float]:
    """Windows with both edges, split in time; and the AUC of who knows both rules."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((SAMPLES, BARS, FEATURES)).astype(np.float32)
    shape = 3.0 * np.concatenate([np.linspace(0.2, 1.0, 8), [-1.0, -0.5]])
    which = random.random(SAMPLES) < 0.5
    place = random.integers(0, BARS - 1 - len(shape), SAMPLES)  # never on the newest bar
    at = place[:, None] + np.arange(len(shape))
    x[np.arange(SAMPLES)[:, None], at, 0] = np.where(which[:, None], shape, shape[::-1])
    tabular = np.sign(x[:, -1, 1] * x[:, -1, 2])
    chance = 1.0 / (1.0 + np.exp(-STRENGTH * (tabular + np.where(which, 1.0, -1.0))))
    won = random.random(SAMPLES) < chance
    decided = pd.date_range("2024-01-01", periods=SAMPLES, freq="1h", tz="UTC", unit="ms")
    samples = pd.DataFrame(
        {"symbol": "PLANTED", "decision_time": decided, "entry_time": decided, "end_time": decided + pd.Timedelta("1h")}
    )
    codes = won.astype(np.int8)[:, None]
    outcome = np.where(won, 1.0, -1.0)[:, None]
    labels = Labels(samples, ("won",), ("lost", "won"), codes, outcome, np.zeros_like(outcome), 0)
    cuts = int(0.6 * SAMPLES), int(0.75 * SAMPLES)
    rows = np.arange(SAMPLES)
    train, validation, test = rows[: cuts[0] - 2], rows[cuts[0] : cuts[1] - 2], rows[cuts[1] :]
    split = Split(train, validation, test, decided[cuts[0]], decided[cuts[1]], 4, 0)
    matrix = x.reshape(-1, FEATURES)
    inputs: dict[str, np.ndarray | Windows] = {"features": Windows(matrix, BARS * (rows + 1) - 1, BARS)}
    y = np.zeros((SAMPLES, 1, 4), np.float32)
    y[rows, 0, codes[:, 0]] = 1.0
    y[:, 0, 2] = outcome[:, 0]
    names = tuple(f"x{k}" for k in range(FEATURES))
    weight = np.ones((SAMPLES, 1), np.float32)
    facts = FEATURES, 0, 0, 0, 0
    parts = Slices(labels, split, names, {}, inputs, y, weight, None, {}, *facts, None, pd.Timedelta("1h"))
    return parts, float(auc_of(won[test], chance[test])(np.ones((1, len(test))))[0])


def judged(config: RunConfig, parts: Slices, folder: Path, method: str) -> Outcome:
    """Train, or read, the members; combine; compare on test."""
    head, rows = head_of(config.labels, config.model), parts.split.test
    fitted = train_members(config, parts, folder, resume=True)
    given = part(parts.inputs, rows)
    windows = given["features"]
    assert isinstance(windows, Windows)
    newest = {"features": windows.values[windows.last]}
    probability = {
        name: class_probabilities(fitted.model.get_layer(f"{name}_0"), head, seen, None)[:, 0, 1]
        for name, seen in (("sequential", newest), ("cnn1d", given))
    }
    together = class_probabilities(fitted.model, head, given, None)[:, 0, 1]
    won, frame = parts.labels.codes[rows, 0] == 1, parts.frame(rows)
    whole = np.ones((1, len(rows)))
    aucs = {name: float(auc_of(won, values)(whole)[0]) for name, values in probability.items()}
    best = max(aucs, key=lambda name: aucs[name])
    found = difference(auc_of(won, together), auc_of(won, probability[best]), frame, 1000, config.seed)
    keras.utils.clear_session()
    assert found.ci95 is not None and found.estimate is not None
    ensemble = float(auc_of(won, together)(whole)[0])
    return Outcome(method, aucs, ensemble, found.ci95[0], found.estimate)


if __name__ == "__main__":
    main()
