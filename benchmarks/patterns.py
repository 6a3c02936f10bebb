"""Pattern recognition: eight candlestick patterns on real candles, seen as Gramian images.

TA-Lib's pattern functions label the bars; a sample is a bar at which exactly one of the eight fires, each slice with as
many of every pattern as of its rarest; train, validation and test follow each other in time within each symbol. The
network is `gaf_resnet18` on the candles of the last bars, trained by the product's own loop. Recognising a pattern is
not predicting a price: the answer lies in the window itself, and nothing here says that a pattern is worth trading.

About 45 minutes on 2 cores: `python benchmarks/patterns.py [--data FILE] [--seeds 1,2,3]`; a seed that is done is kept
in results/patterns.json and not done again unless `--anew`.
"""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import talib
from _result import RESULTS, Bar, read_result, write_result
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from deepstack.artifact.model import raw_outputs
from deepstack.candles.load import read_market
from deepstack.candles.market import PRICE_COLUMNS, Candles, Market
from deepstack.config.training import ScheduleConfig, TrainingConfig
from deepstack.features.table import make_table
from deepstack.models import catalogue
from deepstack.models.heads import Head
from deepstack.samples.batches import Samples
from deepstack.samples.windows import Windows
from deepstack.training.fit import fit
from deepstack.training.objective import objective_of

CANDLES = Path(__file__).parents[1] / ".." / "shared" / "data"
FILES = (
    "xasset10_spot_1h_to_2025-06.csv.gz",
    "btcusdt_um_1m_2022-10_2023-03.csv.gz",
    "ethusdt_um_1m_2022-10_2023-03.csv.gz",
    "btc_eth_bnb_spot_1m_2021-04_2021-06.csv.gz",
)
"""Hours of ten coins, whose dates divide the slices; minutes that lie before those dates, for training."""
PAGE = Path(__file__).parents[1] / "docs" / "patterns.png"
PATTERNS = (
    "CDLENGULFING",
    "CDLHARAMI",
    "CDL3INSIDE",
    "CDL3OUTSIDE",
    "CDLDOJI",
    "CDLHAMMER",
    "CDLHANGINGMAN",
    "CDLSHOOTINGSTAR",
)
CHANNELS = ("open", "high", "low", "close", "body", "upper_shadow", "lower_shadow")
BARS, SIZE, JOINT = 8, 32, [4, 3]
CUTS = 0.7, 0.8
"""Shares of a symbol's hours at which validation and test begin."""
LEAST = 0.93
CONFIG = TrainingConfig(
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=1e-4,
    schedule=ScheduleConfig(warmup_share=0.05, final_share=0.01),
    batch_size=64,
    epochs=7,
    early_stopping_epochs=7,
    strategy="none",
    precision="mixed_bfloat16",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", help="candle files, the one that is tested on first")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--anew", action="store_true", help="measure again what is known")
    arguments = parser.parse_args()
    data = arguments.data or [str(CANDLES / name) for name in FILES]
    if not all(Path(path).exists() for path in data):
        sys.exit("nothing measured: the candles are not there, give them with --data")
    known: dict[str, Any] = {}
    if (RESULTS / "patterns.json").exists() and not arguments.anew:
        known = read_result("patterns")[1]["seeds"]
    samples = samples_of([read_market([path])[0] for path in data])
    print({name: len(part) for name, part in zip(("train", "validation", "test"), samples, strict=True)}, flush=True)
    missed = 0
    for seed in arguments.seeds.split(","):
        if seed not in known:
            known[seed] = recognised(samples, int(seed))
            print(seed, {key: value for key, value in known[seed].items() if key != "confusion"}, flush=True)
        missed = write_result("patterns", bars(known), seeds=known, patterns=list(PATTERNS))
    draw(known)
    sys.exit(missed)


def bars(known: dict[str, Any]) -> list[Bar]:
    worst = min(one["accuracy"] for one in known.values())
    return [Bar(f"accuracy on eight candlestick patterns, worst of {len(known)} seeds", worst, ">=", LEAST)]


def samples_of(markets: list[Market]) -> list[Samples]:
    """Balanced train, validation and test slices of the patterns in several markets.

    The dates that divide a symbol are those of the first market; others add samples on the same side of them.
    """
    cuts = {name: candles.frame.index[[int(s * len(candles)) for s in CUTS]] for name, candles in markets[0].items()}
    tables, last, codes, slices = [], [], [], []
    rows = 0
    for market in markets:
        tables.append(make_table(market, names=CHANNELS).values)
        for name, candles in market.items():
            bar, code = patterns_of(candles)
            last.append(rows + bar)
            codes.append(code)
            slices.append(cuts[name].searchsorted(candles.frame.index[bar], side="right"))
            rows += len(candles)
    where, code, part = (np.concatenate(each) for each in (last, codes, slices))
    y = np.zeros((len(code), 1, len(PATTERNS) + 2), np.float32)
    y[np.arange(len(code)), 0, code] = 1.0
    windows = {"features": Windows(np.concatenate(tables), where, BARS)}
    random = np.random.default_rng(0)
    return [
        Samples(windows, index, y[index], np.ones((len(index), 1), np.float32))
        for index in (balanced(np.flatnonzero(part == number), code, random) for number in range(3))
    ]


def patterns_of(candles: Candles) -> tuple[np.ndarray, np.ndarray]:
    """Bars at which exactly one pattern fires, with a window before them that crosses no gap; and which."""
    found_bars, found_codes = [], []
    for run in candles.segments():
        frame = candles.frame.iloc[run]
        ohlc = [frame[name].to_numpy(np.float64) for name in PRICE_COLUMNS]
        fires = np.stack([getattr(talib, name)(*ohlc) != 0 for name in PATTERNS], axis=1)
        alone = np.flatnonzero((fires.sum(axis=1) == 1) & (np.arange(len(frame)) >= BARS - 1))
        found_bars.append(run.start + alone)
        found_codes.append(fires[alone].argmax(axis=1))
    return np.concatenate(found_bars), np.concatenate(found_codes)


def balanced(index: np.ndarray, code: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As many of each pattern as the rarest has, in order."""
    of_pattern = [index[code[index] == number] for number in range(len(PATTERNS))]
    least = min(map(len, of_pattern))
    return np.sort(np.concatenate([random.choice(each, least, replace=False) for each in of_pattern]))


def recognised(samples: list[Samples], seed: int) -> dict[str, Any]:
    """Train with one seed, ask of the test slice."""
    train, validation, test = samples
    head = Head("classes", ("pattern",), len(PATTERNS))
    options = {"size": SIZE, "joint": JOINT}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(
            partial(catalogue.build, "gaf_resnet18", {"features": (BARS, len(CHANNELS))}, head, options),
            objective_of(head, CONFIG),
            train,
            validation,
            CONFIG,
            seed=seed,
            folder=Path(folder),
            progress=report,
            xla=catalogue.find("gaf_resnet18").xla,
        )
    whole = test.arrays["features"]
    assert isinstance(whole, Windows)
    inputs = {"features": Windows(whole.values, whole.last[test.index], BARS)}
    answer = raw_outputs(fitted.model, inputs, 256).argmax(axis=1)
    truth = test.y[:, 0, : len(PATTERNS)].argmax(axis=1)
    keras.utils.clear_session()
    return {
        "accuracy": float((answer == truth).mean()),
        "test_samples": len(truth),
        "epochs": fitted.epochs,
        "seconds": time.perf_counter() - started,
        "confusion": confusion_matrix(truth, answer).tolist(),
    }


def report(stage: str, done: int, of: int, note: str = "") -> None:
    if done % 100 == 0:
        print(stage, f"{done}/{of}", note, flush=True)


def draw(known: dict[str, Any]) -> None:
    """The confusion matrix, summed over the seeds."""
    total = np.sum([one["confusion"] for one in known.values()], axis=0)
    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    names = [name.removeprefix("CDL").lower() for name in PATTERNS]
    shares = total / total.sum(axis=1, keepdims=True)
    ConfusionMatrixDisplay(shares, display_labels=names).plot(
        ax=axes, cmap="Blues", values_format=".1%", colorbar=False
    )
    axes.tick_params(axis="x", rotation=45)
    axes.set_title(f"Eight candlestick patterns, {len(known)} seeds: share of each true pattern")
    figure.savefig(PAGE, dpi=110)


if __name__ == "__main__":
    main()
