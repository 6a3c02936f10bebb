"""`deepstack data`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli.progress import show_progress


def data(paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Candle files or folders.")]) -> None:
    """Tell what candle files hold.

    Symbols, spans, and every problem with its count and first time. Nothing is changed or repaired.

    \b
    Examples:
      deepstack data candles/
      deepstack data BTCUSDT-1m.csv.gz ETHUSDT-1m.csv.gz
    """
    from deepstack.candles.load import inspect_files

    with show_progress() as progress:
        report = inspect_files(paths, progress=partial(progress, "read"))
    for line in report.lines():
        print(line)
