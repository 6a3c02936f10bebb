"""Train on your own candles: `python examples/train_your_own_csv.py candles.csv [more.csv ...]`.

Any CSV with a time, open, high, low, close and volume will do; one file may hold several symbols. The settings here
are small, so that the first run takes about a minute. Take configs/ultimate.yaml for the 2,000-layer network.
"""

import json
import sys
from pathlib import Path

from deepstack import read_config, run

# Every key of docs/config.md can be set here, in a YAML file, or both: read_config(Path("mine.yaml"), [...]).
SETTINGS = [
    "name=my_first_run",
    "model.options={width: 32, res_blocks_per_unit: [10], dense_blocks_per_unit: [2], attention_scales: [1, 4]}",
    "training.epochs=3",
    "data.repair=drop",  # leave defective rows out instead of refusing the file; the report counts them
]


def main(candles: list[Path]) -> None:
    artifact = run(read_config(None, SETTINGS, data=candles), out=Path("artifacts"))
    report = json.loads((artifact / "report.json").read_text())
    print(report["verdict"])
    print(f"network AUC {report['test']['auc']:.3f}, {report['test']['expectancy_r']:+.3f} R a trade after costs")
    for name, block in report["baselines"].items():
        print(f"{name} AUC {block['auc']:.3f}, {block['expectancy_r']:+.3f} R a trade after costs")
    print(f"open {artifact / 'report.html'}")


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[1:]])
