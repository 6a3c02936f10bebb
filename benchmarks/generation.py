"""A transformer bar by bar: what kept keys and values and a shared batch save.

- One more bar of a symbol, by keys and values / by reading the window anew with the network compiled for one sample,
  windows of 256 bars, base size, every head seeing 32 bars: ≤ 0.5.
- Forecasts of 32 clients by a small network, 12 bars and 8 paths each: drawn together / one after another, ≤ 0.5.
- A forecast of 2 bars that comes with one of 200: beside it / after it, ≤ 0.1.

About two minutes on 2 cores: `python benchmarks/generation.py`.
"""

import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from _result import Bar, write_result

from deepstack.artifact.model import compiled_for_one
from deepstack.artifact.stepper import AttentionStepper
from deepstack.models.heads import binary_head
from deepstack.models.transformer.transformer_decoder import TransformerDecoderConfig, build
from deepstack.pipeline.generation import Generation, Wish, generated

BARS, FEATURES, CLIENTS, TO_COME, PATHS, LONG = 256, 64, 32, 12, 8, 200


def median_ms(call: Callable[[], object], calls: int = 60) -> float:
    """Of the later calls; the first ones trace."""
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times[10:]))


def network_of(size: str) -> keras.Model:
    keras.utils.set_random_seed(7)
    config = TransformerDecoderConfig(size=size, sines=False, spans=(32,))
    return build({"features": (BARS, FEATURES)}, binary_head(), config)


def wish(bars: int) -> Wish:
    random = np.random.default_rng(7)
    window = random.normal(size=(BARS, FEATURES)).astype(np.float32)
    return Wish(window, random.standard_normal((bars, PATHS, FEATURES), np.float32))


def in_one_batch(stepper: AttentionStepper, wishes: list[Wish], until: int | None = None) -> float:
    """Seconds until all, or that one, are done."""
    generation = Generation(stepper, 256)
    for one in wishes:
        generation.add(one)
    started = time.perf_counter()
    while not (generation.is_idle if until is None else wishes[until].is_done):
        generation.advance()
    return time.perf_counter() - started


def main() -> None:
    network = network_of("base")
    stepper, whole = AttentionStepper(network), compiled_for_one(network)
    window = wish(1).window[None]
    said = stepper.read(window)
    one_bar = median_ms(lambda: stepper.step(said.kept, window[:, -1]))
    one_window = median_ms(lambda: whole({"features": window}))
    print(f"one bar {one_bar:.2f} ms, window {one_window:.2f} ms", flush=True)

    small = AttentionStepper(network_of("small"))
    generated(small, wish(TO_COME))
    together_s, apart_s = in_one_batch(small, [wish(TO_COME) for _ in range(CLIENTS)]), 0.0
    for _ in range(CLIENTS):
        apart_s += in_one_batch(small, [wish(TO_COME)])
    print(f"{CLIENTS} forecasts: together {together_s:.2f} s, apart {apart_s:.2f} s", flush=True)
    long_s = in_one_batch(small, [wish(LONG)])
    beside_s = in_one_batch(small, [wish(LONG), wish(2)], until=1)
    print(f"2 bars beside {LONG}: {beside_s:.3f} s, after them {long_s:.2f} s", flush=True)
    bars = [
        Bar("a transformer's next bar, keys and values kept / window read", one_bar / one_window, "<=", 0.5, "×"),
        Bar("32 forecasts, together / one after another", together_s / apart_s, "<=", 0.5, "×"),
        Bar("forecast of 2 bars beside one of 200 / after it", beside_s / (long_s + beside_s), "<=", 0.1, "×"),
    ]
    sys.exit(write_result("generation", bars, one_bar_ms=one_bar, one_window_ms=one_window))


if __name__ == "__main__":
    main()
