"""Zero edge: on a market without one, taken trades earn nothing before costs, and shuffled outcomes cannot be ranked.

Bars: over 20 seeds, the mean gross expectancy in R of the taken trades within 2.6 standard errors of 0, and the mean
AUC on shuffled outcomes within 2.6 standard errors of 0.5. Anything else is a leak. The network has its full 2,000
layers. About 15 minutes on 2 cores: `python benchmarks/zero_edge.py [--seeds N]`.
"""

import argparse
import sys

import numpy as np
from _experiment import default_config, experiment
from _result import Bar, write_result

from deepstack.config.data import SyntheticConfig

MARKET = SyntheticConfig(symbols=6, bars=8_000, interval="1h", edge=0.0)
STANDARD_ERRORS = 2.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    config = default_config(epochs=arguments.epochs)
    rows = []
    for seed in range(101, 101 + arguments.seeds):
        plain, shuffled = experiment(config, MARKET, seed), experiment(config, MARKET, seed, shuffle=True)
        rows.append(
            {
                "seed": seed,
                "gross_r": plain.gross_r,
                "taken": plain.taken,
                "test_samples": plain.test,
                "auc": plain.auc,
                "shuffled_auc": shuffled.auc,
                "seconds": plain.seconds + shuffled.seconds,
            }
        )
        print(rows[-1], flush=True)
    gross_r, shuffled_auc = _z(rows, "gross_r", 0.0), _z(rows, "shuffled_auc", 0.5)
    z = {"gross R of taken trades, standard errors from 0": gross_r, "AUC on shuffled outcomes, from 0.5": shuffled_auc}
    bars = [Bar(f"zero edge: {what}", abs(found["z"]), "<=", STANDARD_ERRORS) for what, found in z.items()]
    sys.exit(write_result("zero_edge", bars, gross_r=gross_r, shuffled_auc=shuffled_auc, seeds=rows))


def _z(rows: list[dict], name: str, expected: float) -> dict[str, float]:
    values = np.array([row[name] for row in rows])
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return {"mean": float(values.mean()), "standard_error": error, "z": float((values.mean() - expected) / error)}


if __name__ == "__main__":
    main()
