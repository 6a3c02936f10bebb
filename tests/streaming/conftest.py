"""Tiny artifacts of three kinds of model and a market with gaps, each made once when a test first asks for it."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BASE = """\
name: {name}
seed: 3
data:
  synthetic: {{symbols: 2, bars: 3000, interval: 1min, edge: 1.0}}
features:
  {features}
labels: {labels}
samples: {samples}
model: {model}
training: {{strategy: none, jit_compile: false, epochs: 1, batch_size: 64, learning_rate: 0.01}}
evaluation: {{bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all]}}
"""
HORIZONS = "{kind: horizons, horizons: {lengths: [5min, 15min], volatility_bars: 60, every_bars: 4}}"
LIGHT = "names: [return_1, rsi_14, macd_line_12_26, upper_wick, hour_of_day_sin, return_200]"
SHORT = "names: [rate_of_change_5, upper_wick, wick_asymmetry_20, efficiency_10, hour_of_day_sin]"
PEERS = "names: [return_1, upper_wick, beta_100, market_momentum_20, relative_strength_20]"
KINDS: dict[str, dict[str, Any]] = {
    "bar": {
        "labels": "{kind: breakout}",
        "features": LIGHT,
        "samples": "{}",
        "model": "{name: sequential, options: {layers: 5, width: 16}}",
    },
    "wide": {
        "labels": "{kind: breakout}",
        "features": SHORT,
        "samples": "{}",
        "model": "{name: sequential, options: {layers: 6, width: 32}}",
    },
    "peers": {
        "labels": HORIZONS,
        "features": PEERS,
        "samples": "{window_bars: 8}",
        "model": "{name: gru, head: horizons, options: {units: [4, 4]}}",
    },
    "convolution": {
        "labels": HORIZONS,
        "features": SHORT,
        "samples": "{window_bars: 16}",
        "model": "{name: cnn1d, head: horizons, options: {filters: [4, 4, 4], units: 4}}",
    },
    "decoder": {
        "labels": HORIZONS,
        "features": LIGHT,
        "samples": "{window_bars: 16}",
        "model": "{name: transformer_decoder, head: horizons, options: {sines: false, spans: [4, 8]}}",
    },
    "frames": {
        "labels": HORIZONS,
        "features": SHORT,
        "samples": "{window_bars: 4, timeframes: [15min, 5min]}",
        "model": "{name: attentive_lstm, head: horizons, options: {units: 4, dropout: 0.0}}",
    },
}
"""Kind → what its config adds. `peers` looks at other symbols, `frames` at coarser bars."""


@pytest.fixture(scope="session")
def artifact(made_once: Callable[..., Path]) -> Callable[[str], Path]:
    """Kind → artifact of its run; nobody may write into it."""
    from deepstack.config.read import read_config
    from deepstack.pipeline.run import run

    def make(kind: str, place: Path) -> None:
        file = place / f"{kind}.yaml"
        file.write_text(BASE.format(name=kind, **KINDS[kind]))
        run(read_config(file), out=place)

    @cache
    def folder_of(kind: str) -> Path:
        (folder,) = made_once(f"streamed_{kind}", partial(make, kind)).glob(f"{kind}-*")
        return folder

    return folder_of


@pytest.fixture(scope="session")
def predictor(artifact: Callable[[str], Path]) -> Callable[[str], Any]:
    """Kind → its predictor."""
    from deepstack.pipeline.predict import load

    return cache(lambda kind: load(artifact(kind)))


@pytest.fixture(scope="session")
def gappy() -> Callable[[int], Any]:
    """Number of bars → a market of two symbols, bars missing here and there, in both at once and in one alone."""
    from deepstack.candles.market import Candles
    from deepstack.candles.synthetic import make_market
    from deepstack.config.data import SyntheticConfig

    @cache
    def make(bars: int) -> Any:
        market = make_market(SyntheticConfig(symbols=2, bars=max(bars, 500), interval="1min"), seed=11)
        missing = {"SYN01": [bars // 2, bars // 2 + 1, bars - 37], "SYN02": [bars // 2 + 1, bars - 5]}
        return {
            name: Candles(name, c.interval, c.frame.iloc[np.setdiff1d(np.arange(bars), missing[name])])
            for name, c in market.items()
        }

    return make
