"""The audit: every planted leak caught, no false alarm in a clean chain, and how long its longest link takes.

Every mutation of `deepstack.audit.mutations` is planted by itself into a small experiment and the whole audit run on
it, whose link made for such a leak must find it; then the clean experiments, and every feature of the catalogue on
candles that carry all that a feature can need. The feature link is timed on 100,000 bars × 220 features, 2,000 rows one
by one, three futures each. A quarter of an hour on 2 cores: `python benchmarks/audit.py [--parts leaks,time]`.
"""

import argparse
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from _result import RESULTS, Bar, read_result, write_result

from deepstack.audit.chain import audit_chain
from deepstack.audit.features import audit_features
from deepstack.audit.mutations import MUTATIONS, SUBJECTS, VICTIM
from deepstack.candles.market import Candles, Market
from deepstack.candles.synthetic import make_market
from deepstack.config.data import SyntheticConfig
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.features.catalogue import FEATURES

MARKET = SyntheticConfig(symbols=2, bars=2600, interval="1h", edge=1.0)
SETTINGS = (
    "features.names=[return_1, return_5, volume_z_20, idiosyncratic_return_1]",
    "labels.channel_bars=6",
    "split.embargo_bars=4",
    "training.strategy=none",
)
ROWS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="leaks,time")
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=220)
    arguments = parser.parse_args()
    found = read_result("audit")[1] if (RESULTS / "audit.json").exists() else {}
    found = {name: found[name] for name in ("leaks", "time") if name in found}
    measures = {"leaks": leaks, "time": lambda: timed(arguments.bars, arguments.features)}
    for name in arguments.parts.split(","):
        found[name] = measures[name]()
    sys.exit(write_result("audit", bars(found), victim=VICTIM, **found))


def leaks() -> dict:
    """Every planted leak by itself, then what is clean."""
    market = make_market(MARKET, 5)
    rows = []
    for mutation in MUTATIONS:
        more = ("features.max_features=2", "features.names=[]") if "selected" in mutation.name else ()
        started = time.perf_counter()
        with mutation.plant():
            found = audit_chain(config_of(mutation.subject, *more), market, rows=ROWS)
        links = [link.name for link in found.leaks]
        caught = mutation.link in links
        seconds = time.perf_counter() - started
        rows.append({"mutation": mutation.name, "links": links, "caught": caught, "seconds": seconds})
        print(f"{'caught' if caught else 'MISSED'}  {mutation.name}: {', '.join(links)}", flush=True)
    alarms = []
    for subject in SUBJECTS:
        found = audit_chain(config_of(subject), market, rows=ROWS)
        alarms += [f"{subject}: {link.name}" for link in found.leaks]
    whole = audit_features(with_trades(market), list(FEATURES), ROWS)
    alarms += [str(whole.offence)] if whole.offence else []
    print("false alarms:", alarms or "none", flush=True)
    return {"mutations": rows, "false_alarms": alarms}


def timed(bars: int, features: int) -> dict:
    """The feature link over many bars."""
    long = make_market(SyntheticConfig(symbols=1, bars=bars, interval="1min", edge=0.0), 5)
    names = [name for name, feature in FEATURES.items() if not feature.needs][:features]
    started = time.perf_counter()
    link = audit_features(long, names, 2000)
    seconds = time.perf_counter() - started
    print(link.covers, flush=True)
    return {"bars": bars, "features": len(names), "seconds": seconds, "covers": link.covers}


def bars(found: dict) -> list[Bar]:
    """Those of the parts that were measured."""
    made = []
    if "leaks" in found:
        caught = [row["caught"] for row in found["leaks"]["mutations"]]
        alarms = float(len(found["leaks"]["false_alarms"]))
        made.append(Bar(f"share of {len(caught)} planted leaks caught", float(np.mean(caught)), ">=", 1.0))
        made.append(Bar("false alarms in clean chains and the whole catalogue", alarms, "<=", 0.0))
    if "time" in found:
        one = found["time"]
        promise = f"feature link, {one['features']} features × {one['bars']:,} bars"
        made.append(Bar(promise, one["seconds"], "<=", 60.0, "s"))
    return made


def with_trades(market: Market) -> Market:
    """The same candles with the number of trades and the volume that buyers took, as some exchanges give them."""
    found = {}
    for number, (symbol, candles) in enumerate(market.items()):
        random, volume = np.random.default_rng(number), candles.frame["volume"]
        more = {"trades": np.ceil(3.0 * volume), "taker_buy_volume": volume * random.uniform(size=len(volume))}
        found[symbol] = Candles(symbol, candles.interval, candles.frame.assign(**more))
    return found


def config_of(subject: str, *more: str) -> RunConfig:
    """The small experiment in one of its shapes."""
    return read_config(None, ("name=audited", "seed=5", *SETTINGS, *SUBJECTS[subject], *more))


if __name__ == "__main__":
    main()
