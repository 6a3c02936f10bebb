"""Features: a million one-minute bars at once, and one new bar at serving.

    python benchmarks/features.py

Every feature that a market of one symbol allows, of candles drawn at random. Each task runs in a process of its own;
peak memory is that of the whole process, imports and candles included. About a minute on 2 cores.

Writes benchmarks/results/features.json; exits 1 when a bar is missed.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from _result import Bar, write_result

from deepstack.candles.market import Candles, Market
from deepstack.features.catalogue import FEATURES, MAX_LOOKBACK_BARS
from deepstack.features.table import latest_row, make_table

BARS = 1_000_000
CALLS, WARM_UP = 400, 50


def main() -> int:
    """Measure both tasks, judge, write."""
    table, row = _child("table"), _child("row")
    print(f"{table['features']} features, {table['bars_per_s']:,.0f} bars/s, {table['cpu_seconds']:.1f} CPU-seconds")
    bars = [
        Bar("every feature on 1,000,000 bars", table["seconds"], "<=", 25.0, "s"),
        Bar("peak RSS of that / its output", table["peak_rss_mb"] / table["output_mb"], "<=", 3.0, "×"),
        Bar("features of one new bar, p50", row["p50_ms"], "<=", 15.0, "ms"),
    ]
    return write_result("features", bars, table=table, row=row)


def table() -> dict[str, Any]:
    """Time and memory of the whole table."""
    candles = market(BARS)
    started, cpu = time.perf_counter(), time.process_time()
    made = make_table(candles)
    seconds = time.perf_counter() - started
    return {
        "bars": BARS,
        "features": len(made.names),
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "bars_per_s": BARS / seconds,
        "output_mb": made.values.nbytes / 1e6,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


def row() -> dict[str, Any]:
    """Milliseconds of the last bar's features, from a window of candles that moves on by one bar a call."""
    whole = market(MAX_LOOKBACK_BARS + CALLS + WARM_UP)["A"]
    names = [feature.name for feature in FEATURES.values() if not feature.needs]
    times, cpu = [], []
    for i in range(CALLS + WARM_UP):
        window = Candles("A", whole.interval, whole.frame.iloc[i : i + MAX_LOOKBACK_BARS])
        started, cpu_started = time.perf_counter(), time.process_time()
        latest_row({"A": window}, "A", names)
        times.append((time.perf_counter() - started) * 1e3)
        cpu.append((time.process_time() - cpu_started) * 1e3)
    p50, p99 = np.percentile(times[WARM_UP:], [50, 99])
    return {
        "features": len(names),
        "window_bars": MAX_LOOKBACK_BARS,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "cpu_p50_ms": float(np.median(cpu[WARM_UP:])),
    }


def market(bars: int) -> Market:
    """One symbol, a fat-tailed random walk."""
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(1e-3 * rng.standard_t(4, size=bars)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(1e-4 * rng.normal(size=bars))
    reach = 5e-4 * rng.exponential(size=(2, bars))
    index = pd.date_range("2023-01-01", periods=bars, freq="1min", tz="UTC", name="close_time").as_unit("ms")
    columns = {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(reach[0]),
        "low": np.minimum(open_, close) * np.exp(-reach[1]),
        "close": close,
        "volume": rng.lognormal(size=bars),
    }
    return {"A": Candles("A", pd.Timedelta("1min"), pd.DataFrame(columns, index=index))}


def _child(task: str) -> dict[str, Any]:
    command = [sys.executable, __file__, task]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{task} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps({"table": table, "row": row}[sys.argv[1]]()))
    else:
        sys.exit(main())
