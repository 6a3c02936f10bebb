"""Reading candles for a command: the findings on stderr, the market to the caller."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deepstack.config.data import DataConfig
from deepstack.progress import Progress

if TYPE_CHECKING:
    from deepstack.candles.market import Market
    from deepstack.candles.repair import RepairMode


def read(paths: Sequence[Path], settings: DataConfig, repair: "RepairMode | None", progress: Progress) -> "Market":
    """The market in `paths`, read as `settings` say; `repair` from the command line goes before them."""
    from deepstack.candles.load import read_market

    market, report = read_market(
        paths,
        repair=repair or settings.repair,
        symbols=settings.symbols,
        resample=settings.resample,
        progress=partial(progress, "read"),
    )
    for line in report.lines():
        print(line, file=sys.stderr)
    return market
