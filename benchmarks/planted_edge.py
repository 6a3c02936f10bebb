"""Planted edge: how much of the attainable excess AUC over 0.5 the default network finds, and two of its baselines.

Bars: network ≥ 80 % and logistic regression ≤ 60 % of the attainable excess, mean of 5 seeds, ≥ 5,000 test samples,
attainable AUC between 0.60 and 0.65. About 25 minutes on 2 cores: `python benchmarks/planted_edge.py [--seeds N]`.
"""

import argparse
import sys

import numpy as np
from _experiment import default_config, experiment
from _result import Bar, write_result

from deepstack.config.data import SyntheticConfig
from deepstack.labels.attainable import attainable_auc

BASELINES = ("logistic", "gradient_boosting")
MARKET = SyntheticConfig(symbols=24, bars=25_000, interval="1h", edge=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    config = default_config()
    rows = []
    for seed in range(1, arguments.seeds + 1):
        bound = attainable_auc(MARKET, config.labels, seed, candidates=2000, paths=256)
        outcome = experiment(config, MARKET, seed, baselines=BASELINES)
        found = {"network": outcome.auc, **outcome.baseline_auc}
        rows.append(
            {
                "seed": seed,
                "attainable_auc": bound.auc,
                "attainable_standard_error": bound.standard_error,
                **{f"{name}_auc": auc for name, auc in found.items()},
                **{f"{name}_share": (auc - 0.5) / (bound.auc - 0.5) for name, auc in found.items()},
                "test_samples": outcome.test,
                "seconds": outcome.seconds,
            }
        )
        print(rows[-1], flush=True)
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key.endswith(("_auc", "_share"))}
    bars = [
        Bar("planted edge: attainable AUC", mean["attainable_auc"], "in", [0.60, 0.65]),
        Bar("planted edge: network's share of the attainable excess AUC", mean["network_share"], ">=", 0.80),
        Bar("planted edge: logistic regression's share", mean["logistic_share"], "<=", 0.60),
    ]
    sys.exit(write_result("planted_edge", bars, mean=mean, seeds=rows))


if __name__ == "__main__":
    main()
