"""The leaderboard of docs/results.md: thirteen networks, three ensembles and four baselines on ten coins, three folds.

Configs of configs/ on hourly breakouts instead of what they ask for, two epochs each; no fit may take more than a
minute. Fits are kept in `--out` and not made again, so it can be broken off. About half an hour on 2 cores:
`python benchmarks/leaderboard.py [--data FILE] [--out FOLDER]`.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from _result import Bar, write_result

from deepstack.config.folds import FoldsConfig
from deepstack.config.read import read_config
from deepstack.studies.leaderboard import leaderboard
from deepstack.studies.page import markdown_lines, summary_lines

ROOT = Path(__file__).parents[1]
CANDLES = ROOT / ".." / "shared" / "data" / "xasset10_spot_1h_to_2025-06.csv.gz"
MODELS = (
    "ultimate",
    "sequential_75",
    "cnn1d",
    "cnn2d",
    "attention_cnn1d",
    "tcn",
    "lstm",
    "gru",
    "bidirectional_lstm",
    "conv_lstm",
    "transformer_encoder",
    "transformer_attention",
    "transformer_cnn",
)
SETTINGS = (
    "labels.kind=breakout",
    "model.head=binary",
    "samples.window_bars=32",
    "training.epochs=2",
    "training.batch_size=256",
    "evaluation.calibration=platt",
)
FOLDS = FoldsConfig(scheme="expanding", count=3, first_share=0.4)
MOST_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(CANDLES))
    parser.add_argument("--out", default=str(ROOT / "artifacts" / "leaderboard"))
    parser.add_argument("--models", default=",".join(MODELS))
    arguments = parser.parse_args()
    if not Path(arguments.data).exists():
        sys.exit("nothing measured: the candles are not there, give them with --data")
    configs = [
        read_config(ROOT / "configs" / f"{name}.yaml", SETTINGS, [Path(arguments.data)])
        for name in arguments.models.split(",")
    ]

    def progress(stage: str, done: int, of: int, note: str = "", /) -> None:
        if stage in ("models", "judge"):
            print(stage, f"{done}/{of}", note, flush=True)

    found = leaderboard(configs, Path(arguments.out), folds=FOLDS, seeds=(7,), progress=progress)
    print("\n".join([*summary_lines(found), "", *markdown_lines(found)]))
    board = found["board"]
    kinds = [row["kind"] for row in board]
    slowest = max(row["longest_fit_seconds"] for row in board if row["kind"] == "network")
    bars = [
        Bar("networks on the leaderboard of ten coins", float(kinds.count("network")), ">=", 12.0),
        Bar("ensembles and baselines beside them", float(len(kinds) - kinds.count("network")), ">=", 7.0),
        Bar("longest fit of the leaderboard", slowest, "<=", MOST_SECONDS, "s"),
    ]
    rows = [{key: value for key, value in row.items() if key not in ("fits", "accounts")} for row in board]
    sys.exit(write_result("leaderboard", bars, board=rows, snooping=found["snooping"], samples=found["samples"]))


if __name__ == "__main__":
    main()
