"""Tiny runs of models of moves, each made once when a test first asks for it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

TINY_MOVES = """\
name: moves
seed: 3
data:
  synthetic: {symbols: 2, bars: 4000, interval: 1min, edge: 1.0}
features:
  groups: [price, calendar]
  exclude: [true_range_atr, body_atr, gap_atr, return_200]
  max_features: 8
labels:
  kind: horizons
  horizons: {lengths: [5min, 15min], volatility_bars: 60, every_bars: 4}
samples: {window_bars: 8}
model: {head: horizons}
training: {strategy: none, jit_compile: false, epochs: 1, pretrain_epochs: 1, batch_size: 64, learning_rate: 0.01}
evaluation: {bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all]}
"""

TAIL_BARS = 1900
"""Enough for the warm-up and a window in every timeframe."""

MODELS: dict[str, tuple[str, ...]] = {
    "transformer_attention": ("model.uncertainty=aleatoric", "model.options.depth=1"),
    "attentive_lstm": ("samples.timeframes=[15min,5min]", "model.options.units=4", "model.options.dropout=0.0"),
    "episodic_memory": (
        "model.options.units=8",
        "model.options.key_units=4",
        "model.options.episodes=64",
        "model.options.top=4",
    ),
    "transformer_decoder": ("features.keep=[return_1]", "model.options.depth=1"),
}
"""Model → what its config adds."""


@pytest.fixture(scope="session")
def moves_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config file that all of them add to."""
    path = tmp_path_factory.mktemp("moves") / "moves.yaml"
    path.write_text(TINY_MOVES)
    return path


@pytest.fixture(scope="session")
def tiny_market(moves_config: Path) -> Any:
    """The candles that all of them saw, made again."""
    from deepstack.candles.synthetic import make_market
    from deepstack.config.read import read_config

    config = read_config(moves_config)
    return make_market(config.data.synthetic, config.seed)


@pytest.fixture(scope="session")
def tiny_tail(tiny_market: Any) -> Any:
    """Its last bars."""
    from deepstack.candles.market import Candles

    return {name: Candles(name, c.interval, c.frame.iloc[-TAIL_BARS:]) for name, c in tiny_market.items()}


@pytest.fixture(scope="session")
def tail_files(tiny_tail: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a folder of files."""
    folder = tmp_path_factory.mktemp("candles")
    for name, candles in tiny_tail.items():
        frame = candles.frame.reset_index()
        frame.insert(0, "open_time", (frame.pop("close_time") - candles.interval).astype("int64"))
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def tiny_run(moves_config: Path, made_once: Callable[..., Path]) -> Callable[[str], Path]:
    """Model name → artifact of its run; nobody may write into it."""
    from deepstack.config.read import read_config
    from deepstack.models.catalogue import MODELS as CATALOGUE
    from deepstack.pipeline.run import run

    def make(name: str, place: Path) -> None:
        config = read_config(moves_config, (f"model.name={name}", *MODELS[name]))
        # XLA compiles every shape of batch anew, which takes longer than all the work there is here.
        with mock.patch.dict(CATALOGUE, {name: replace(CATALOGUE[name], xla=False)}):
            run(config, out=place)

    @cache
    def folder_of(name: str) -> Path:
        (folder,) = made_once(f"moves_{name}", partial(make, name)).glob("moves-*")
        return folder

    return folder_of
