"""Searches: bayesian against random on a known surface, what selection does where there is no edge, and their cost.

- Surface: every point of a space of 240 is trained once on a market with a planted edge and kept in `--out`. Over 100
  seeds, searches of 30 trials against it: bayesian beats random (one-sided Wilcoxon p < 0.01) and ends in the median
  within 5 % of the best excess over chance.
- No edge: over 20 markets without one, ten random trials each. The winner's AUC on the test slice stays within 2.6
  standard errors of 0.5; the score that won the search does not, which is why nobody may report it.
- Cost: what a search of the ultimate network takes beside training, at most 5 %; the second trial of a graph against
  the first, which compiles.

About 25 minutes on 2 cores: `python benchmarks/tuning.py [--out FOLDER] [--parts surface,no_edge,cost]`.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from _result import RESULTS, Bar, read_result, write_result
from scipy.stats import wilcoxon

from deepstack.config.read import config_from_tree, read_config
from deepstack.config.run import RunConfig
from deepstack.evaluation.moves import mean_class_auc
from deepstack.models import catalogue
from deepstack.pipeline.answered import answered
from deepstack.pipeline.market import load_source
from deepstack.pipeline.samples import find, slices
from deepstack.pipeline.train import train
from deepstack.tuning.examine import Examiner
from deepstack.tuning.keras_oracles import OBJECTIVE, make_oracle
from deepstack.tuning.outcome import Outcome
from deepstack.tuning.search import Hands, search
from deepstack.tuning.space import with_values
from deepstack.tuning.study import Engine, Study

ROOT = Path(__file__).parents[1]
SEARCHES, TRIALS, SEEDS, TRIALS_NO_EDGE = 100, 30, 20, 10
RATES = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1]
WIDTHS, DROPOUTS = [2, 4, 8, 16, 32], [0.0, 0.2, 0.4, 0.6]
KEYS = ("training.learning_rate", "model.options.width", "model.options.dropout")


def small(edge: float, seed: int = 7, bars: int = 8000, *, tame: bool = False) -> RunConfig:
    """A small network on a small market; a tame space holds no network that can only answer one thing."""
    given = (RATES[2:8], WIDTHS[2:], DROPOUTS[:3]) if tame else (RATES, WIDTHS, DROPOUTS)
    space = {key: f"choice {values}" for key, values in zip(KEYS, given, strict=True)}
    tree = {
        "name": "small",
        "seed": seed,
        "data": {"synthetic": {"symbols": 3, "bars": bars, "interval": "1h", "edge": edge}},
        "features": {"groups": ["price", "momentum"], "max_features": 24},
        "model": {"name": "sequential", "options": {"layers": 8, "width": 8}},
        "training": {"jit_compile": False, "epochs": 3, "batch_size": 64},
        "tuning": {"space": space, "folds": {"count": 2}},
    }
    return config_from_tree(tree, "the benchmark")


def surface(out: Path) -> dict[tuple[float, int, float], float]:
    """Point → score; what is on disk is not made again."""
    config = small(edge=2.0)
    path = out / "surface.json"
    known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        examiner = Examiner(config, load_source(config), Path(folder))
        for width, dropout, rate in itertools.product(WIDTHS, DROPOUTS, RATES):
            point = json.dumps([rate, width, dropout])
            if point in known:
                continue
            outcome = examiner.examine("0", dict(zip(KEYS, (rate, width, dropout), strict=True)))
            known[point] = outcome.score if outcome.score is not None else 0.5
            path.write_text(json.dumps(known))
        print(f"surface of {len(known)} points: {min(known.values()):.3f} to {max(known.values()):.3f}", flush=True)
    return {tuple(json.loads(point)): score for point, score in known.items()}


def searched(points: dict[tuple[float, int, float], float], engine: Engine, seed: int) -> float:
    """The best score a search finds on the surface."""
    config = small(edge=2.0).model_copy(update={"seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        oracle = make_oracle(Study(config, Path(folder), engine, TRIALS))
        best = 0.0
        while (trial := oracle.create_trial("tuner0")).status != "STOPPED":
            score = points[tuple(trial.hyperparameters.values[key] for key in KEYS)]
            best = max(best, score)
            oracle.update_trial(trial.trial_id, {OBJECTIVE: score})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
    return best


def measure_surface(out: Path) -> dict:
    """Bayesian and random searches of equal length, in pairs by seed."""
    points = surface(out)
    top = max(points.values())
    compared: tuple[Engine, ...] = ("bayesian", "random")
    found = {engine: [searched(points, engine, s) for s in range(1, SEARCHES + 1)] for engine in compared}
    excess = {engine: (np.array(best) - 0.5) / (top - 0.5) for engine, best in found.items()}
    p = wilcoxon(excess["bayesian"], excess["random"], alternative="greater").pvalue
    medians = {engine: float(np.median(values)) for engine, values in excess.items()}
    print(f"share of the best excess, median: {medians}, Wilcoxon p = {p:.2g}", flush=True)
    return {"best_auc": top, "median_share": medians, "wilcoxon_p": float(p), "points": len(points)}


def measure_no_edge() -> dict:
    """What the search promised and what the test slice holds, market by market."""
    rows: list[dict[str, float]] = []
    for seed in range(101, 101 + SEEDS):
        config = small(edge=0.0, seed=seed, tame=True)
        source = load_source(config)
        with tempfile.TemporaryDirectory() as folder:
            examiner = Examiner(config, source, Path(folder))
            oracle = make_oracle(Study(config, Path(folder), "random", TRIALS_NO_EDGE))
            best, picked = 0.0, {}
            while (trial := oracle.create_trial("tuner0")).status != "STOPPED":
                outcome = examiner.examine(trial.trial_id, dict(trial.hyperparameters.values))
                score = 0.5 if outcome.score is None else outcome.score
                if score > best:
                    best, picked = score, dict(trial.hyperparameters.values)
                oracle.update_trial(trial.trial_id, {OBJECTIVE: score})
                trial.status = "COMPLETED"
                oracle.end_trial(trial)
            winner = with_values(config, picked)
            parts = slices(find(source.market, winner, catalogue.line_of(winner.model)), source.interval, winner)
            said = answered(winner, parts, train(winner, parts, Path(folder) / "winner"))
        test = mean_class_auc(parts.labels.codes[parts.split.test], said.test)
        assert test is not None  # every class is in the slice
        rows.append({"seed": seed, "won_the_search": best, "test": test})
        print(rows[-1], flush=True)
    return {
        "seeds": rows,
        **{f"{name}_z": _z([row[name] for row in rows]) for name in ("won_the_search", "test")},
        **{f"{name}_mean": float(np.mean([row[name] for row in rows])) for name in ("won_the_search", "test")},
    }


def measure_cost() -> dict:
    """A search of a shallow ultimate network: all its seconds against those of its trainings."""
    space = '{training.learning_rate: "log 3e-4..3e-3"}'
    settings = [
        "model.options.res_blocks_per_unit=[50]",
        "training.epochs=4",
        f"tuning.space={space}",
        "tuning.grow=false",
    ]
    config = read_config(ROOT / "configs" / "ultimate.yaml", settings)
    with tempfile.TemporaryDirectory() as folder:
        begun: list[float] = []
        study = Study(config, Path(folder) / "s", "bayesian", 6)

        def told(outcome: Outcome, _: Outcome | None) -> None:
            begun.append(time.time() - (outcome.seconds if not begun else 0.0))

        outcomes = search(study, Hands(ledger=Path(folder)), told=told)
        whole = begun[-1] - begun[0]
    inside = sum(one.seconds for one in outcomes)
    first, later = outcomes[0].training_s, float(np.median([one.training_s for one in outcomes[1:]]))
    # Reading candles and computing features is the first trial's, once a search.
    beside = (whole - inside + sum(one.seconds - one.training_s for one in outcomes[1:])) / (
        whole - outcomes[0].seconds + outcomes[0].training_s
    )
    print(
        f"whole {whole:.1f} s, beside training {100 * beside:.1f} %, first {first:.1f} s, later {later:.1f} s",
        flush=True,
    )
    return {"whole_s": whole, "beside_training": beside, "first_training_s": first, "later_training_s": later}


def _z(values: list[float]) -> float:
    found = np.array(values) - 0.5
    return float(found.mean() / (found.std(ddof=1) / np.sqrt(len(found))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=str(ROOT / "artifacts" / "tuning"))
    parser.add_argument("--parts", default="surface,no_edge,cost")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    found = read_result("tuning")[1] if (RESULTS / "tuning.json").exists() else {}
    found = {name: found[name] for name in ("surface", "no_edge", "cost") if name in found}
    measures = {"surface": lambda: measure_surface(out), "no_edge": measure_no_edge, "cost": measure_cost}
    code = 0
    for name in arguments.parts.split(","):
        found[name] = measures[name]()
        code = write_result("tuning", bars(found), **found)
    sys.exit(code)


def bars(found: dict) -> list[Bar]:
    """Those of the parts that were measured."""
    made = []
    if "surface" in found:
        one = found["surface"]
        made.append(Bar("bayesian over random on a known surface, 100 searches: p", one["wilcoxon_p"], "<=", 0.01))
        made.append(Bar("bayesian's share of the best, median", one["median_share"]["bayesian"], ">=", 0.95))
    if "no_edge" in found:
        one = found["no_edge"]
        made.append(Bar("no edge: winners' test AUC, standard errors from 0.5", abs(one["test_z"]), "<=", 2.6))
        made.append(Bar("no edge: the scores that won, standard errors above 0.5", one["won_the_search_z"], ">=", 2.6))
    if "cost" in found:
        one = found["cost"]
        made.append(Bar("search beside its trials' training", 100 * one["beside_training"], "<=", 5.0, "%"))
        made.append(
            Bar(
                "second trial of a graph / first, training",
                one["later_training_s"] / one["first_training_s"],
                "<=",
                1.0,
                "×",
            )
        )
    return made


if __name__ == "__main__":
    main()
