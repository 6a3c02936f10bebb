"""Symbols and resampling mean the same on the synthetic market as on files."""

import pandas as pd
import pytest

from deepstack.config.read import read_config
from deepstack.errors import DataError
from deepstack.pipeline.market import load_source

SMALL = ["data.synthetic.symbols=3", "data.synthetic.bars=600"]


def test_symbols_are_chosen_in_any_spelling() -> None:
    whole = load_source(read_config(None, SMALL))
    chosen = load_source(read_config(None, [*SMALL, "data.symbols=[syn/03, SYN01]"]))
    assert chosen.facts["symbols"] == ["SYN01", "SYN03"]
    pd.testing.assert_frame_equal(chosen.market["SYN03"].frame, whole.market["SYN03"].frame)


def test_an_unknown_symbol_is_told_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"data\.symbols: .*SYN01, SYN02, SYN03, received NOPE"):
        load_source(read_config(None, [*SMALL, "data.symbols=[SYN01, NOPE]"]))


def test_bars_are_resampled() -> None:
    whole = load_source(read_config(None, SMALL)).market["SYN02"].frame
    source = load_source(read_config(None, [*SMALL, "data.resample=4h"]))
    assert source.interval == pd.Timedelta("4h")
    assert source.facts["bars"] == 3 * 150
    assert source.market["SYN02"].frame["high"].iloc[0] == whole["high"].iloc[:4].max()


@pytest.mark.parametrize("resample", ["soon", "90min"])
def test_an_interval_that_does_not_fit_is_refused(resample: str) -> None:
    with pytest.raises(DataError, match=r"data\.resample"):
        load_source(read_config(None, [*SMALL, f"data.resample={resample}"]))
