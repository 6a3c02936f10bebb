"""Every sequence model on real candles: two symbols pooled, three horizons, three seeds, each fit in at most a minute.

The models are those of configs/ that ask for horizons, trained by the product's own loop with the data of `--data` and
the seed replaced; the baselines see the samples of the plain windows: the classes' shares, logistic regression on the
decision's bar, gradient boosting on lagged features. What is done is kept in results/suite.json and not done again, so
it can be broken off at any time. About an hour on 2 cores: `python benchmarks/suite.py [--models lstm,tcn] [--anew]`;
the table: `python benchmarks/suite.py --table`.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _result import RESULTS, Bar, read_result, write_result
from sklearn.metrics import roc_auc_score

from deepstack.artifact.model import class_probabilities
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.evaluation.baselines import Predictions, fit_baselines
from deepstack.evaluation.moves import BUY, HOLD, SELL, class_scores, conviction, trades_of
from deepstack.evaluation.threshold import choose_threshold
from deepstack.evaluation.trading import outcome_scores
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.pipeline.judgement import baseline_task
from deepstack.pipeline.market import load_source
from deepstack.pipeline.samples import Slices, find, part, slices
from deepstack.pipeline.train import train

ROOT = Path(__file__).parents[1]
CANDLES = ROOT / ".." / "shared" / "data"
FILES = ("btcusdt_um_1m_2022-10_2023-03.csv.gz", "ethusdt_um_1m_2022-10_2023-03.csv.gz")
SEEDS = (1, 2, 3)
MOST_SECONDS = 60.0
BASELINES = {
    "take_all": "majority class",
    "logistic": "logistic regression, last bar",
    "gradient_boosting": "gradient boosting, lagged features",
}
FIGURES = ("auc", "direction_auc", "log_loss", "accuracy", "expectancy_r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", help="candle files; half a year of BTC and ETH minutes by default")
    parser.add_argument("--models", help="some of them, by comma; all by default")
    parser.add_argument("--anew", action="store_true", help="measure again what is known")
    parser.add_argument("--table", action="store_true", help="print the table of what is known as Markdown")
    arguments = parser.parse_args()
    rows = read_result("suite")[1]["rows"] if (RESULTS / "suite.json").exists() else []
    if arguments.table:
        print(table(rows))
        return
    data = [Path(path) for path in arguments.data or ()] or [CANDLES / name for name in FILES]
    if not all(path.exists() for path in data):
        sys.exit("nothing measured: the candles are not there, give them with --data")
    chosen = [config for config in configs(data) if not arguments.models or config.name in arguments.models.split(",")]
    if arguments.anew:
        names = {config.name for config in chosen}
        rows = [row for row in rows if row["model"] not in names]
    missed = 0
    for row in measured(chosen, {(row["model"], row["seed"]) for row in rows}):
        rows.append(row)
        print({key: value for key, value in row.items() if key != "horizons"}, flush=True)
        missed = write_result("suite", bars(rows), rows=rows)
    print(table(rows))
    sys.exit(missed)


def configs(data: list[Path]) -> list[RunConfig]:
    """The sequence models' configs on these candles, those that see the same things beside each other."""
    everything = (read_config(path, (), data) for path in sorted((ROOT / "configs").glob("*.yaml")))
    return sorted((config for config in everything if config.labels.kind == "horizons"), key=_sees)


def _sees(config: RunConfig) -> str:
    """Configs of the same text look at the same samples in the same way."""
    entry = catalogue.line_of(config.model)
    rooms = (config.data, config.features, config.labels, config.samples, config.split)
    return str((entry.sees != "window", entry.when, [room.model_dump_json() for room in rooms]))


def measured(chosen: list[RunConfig], known: set[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """One row a model or baseline and seed, as it is done."""
    for number, (_, alike) in enumerate(groupby(chosen, key=_sees)):
        todo = [(config, seed) for config in alike for seed in SEEDS if (config.name, seed) not in known]
        first = number == 0 and any((name, seed) not in known for name in BASELINES for seed in SEEDS)
        if not todo and not first:
            continue
        parts = samples_of(todo[0][0] if todo else chosen[0])
        if first:
            for seed in SEEDS:
                yield from baselines(chosen[0], parts, seed)
        for config, seed in todo:
            yield network(config.model_copy(update={"seed": seed}), parts)


def samples_of(config: RunConfig) -> Slices:
    """Candles to samples; the tables before selection are let go."""
    source = load_source(config)
    parts = slices(find(source.market, config, catalogue.line_of(config.model)), source.interval, config)
    gc.collect()
    return parts


def network(config: RunConfig, parts: Slices) -> dict[str, Any]:
    """Train one model with one seed and judge it."""
    head = head_of(config.labels, config.model)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fitted = train(config, parts, Path(folder))
    seconds = time.perf_counter() - started
    validation, test = (
        class_probabilities(fitted.model, head, part(parts.inputs, rows), parts.priors)
        for rows in (parts.split.validation, parts.split.test)
    )
    predictions = {output: Predictions(validation[:, k], test[:, k]) for k, output in enumerate(parts.labels.outputs)}
    row = {
        "model": config.name,
        "seed": config.seed,
        "seconds": seconds,
        "epochs": fitted.epochs,
        "parameters": fitted.model.count_params(),
        "horizons": judged(predictions, parts, config),
    }
    keras.utils.clear_session()
    gc.collect()
    return row


def baselines(config: RunConfig, parts: Slices, seed: int) -> Iterator[dict[str, Any]]:
    """The baselines of all horizons with one seed."""
    evaluation = config.evaluation.model_copy(update={"baselines": tuple(BASELINES)})
    fitted = {}
    started = time.perf_counter()
    for k, output in enumerate(parts.labels.outputs):
        plain, lagged = (baseline_task(parts, k, seed, lagged=lagged) for lagged in (False, True))
        fitted[output] = fit_baselines(plain, lagged, evaluation)
    for name in BASELINES:
        horizons = judged({output: models[name] for output, models in fitted.items()}, parts, config)
        yield {"model": name, "seed": seed, "seconds": time.perf_counter() - started, "horizons": horizons}


def judged(predictions: dict[str, Predictions], parts: Slices, config: RunConfig) -> dict[str, dict[str, float]]:
    """Horizon → figures on the test slice, the threshold from validation."""
    validation, test = parts.split.validation, parts.split.test
    found = {}
    for k, (output, given) in enumerate(predictions.items()):
        known = trades_of(parts.frame(validation), output, given.validation, config.labels)["net_r"].to_numpy()
        threshold = choose_threshold(conviction(given.validation), known, config.evaluation.min_coverage)
        trades = trades_of(parts.frame(test), output, given.test, config.labels)
        taken = threshold.take(conviction(given.test))
        scores = class_scores(parts.labels.codes[test, k], given.test)
        traded = outcome_scores(trades["won"].to_numpy(bool), trades["net_r"].to_numpy(np.float64), taken)
        codes, lean = parts.labels.codes[test, k], given.test[:, BUY] - given.test[:, SELL]
        moved = codes != HOLD
        direction = {"direction_auc": float(roc_auc_score(codes[moved] == BUY, lean[moved]))}
        found[output] = {name: (scores | traded | direction)[name] for name in FIGURES}
    return found


def bars(rows: list[dict[str, Any]]) -> list[Bar]:
    """No fit took longer than promised."""
    fits = [row["seconds"] for row in rows if row["model"] not in BASELINES]
    return [Bar(f"longest of {len(fits)} fits on real candles", max(fits), "<=", MOST_SECONDS, "s")] if fits else []


def table(rows: list[dict[str, Any]]) -> str:
    """Mean ± standard deviation over seeds, the models by AUC."""
    horizons = list(rows[0]["horizons"])
    heads = [f"AUC {horizon}" for horizon in horizons] + [
        "direction AUC",
        "log-loss",
        "accuracy",
        "net R a trade",
        "s a fit",
    ]
    lines = ["| model | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    of_model: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of_model.setdefault(row["model"], []).append(row)
    networks = sorted((name for name in of_model if name not in BASELINES), key=lambda name: -_auc(of_model[name]))
    for name in [*(name for name in BASELINES if name in of_model), *networks]:
        alike = of_model[name]
        cells = [_spread([row["horizons"][horizon]["auc"] for row in alike], 4) for horizon in horizons]
        for figure in FIGURES[1:]:
            cells.append(_spread([np.mean([h[figure] or 0.0 for h in row["horizons"].values()]) for row in alike], 3))
        cells.append(f"{np.mean([row['seconds'] for row in alike]):.0f}" if name not in BASELINES else "")
        lines.append(f"| {BASELINES.get(name, f'`{name}`')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _auc(rows: list[dict[str, Any]]) -> float:
    return float(np.mean([figures["auc"] for row in rows for figures in row["horizons"].values()]))


def _spread(values: list[float], digits: int) -> str:
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


if __name__ == "__main__":
    main()
