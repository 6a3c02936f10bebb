"""`deepstack gaf`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from deepstack.cli import options
from deepstack.cli.output import check_folder
from deepstack.cli.progress import show_progress


def gaf(
    config: options.Config,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Gets a folder a symbol and window.")],
    data: options.Data = None,
    windows: Annotated[
        list[int] | None,
        typer.Option("--window", metavar="BARS", min=2, help="Bars of a window; repeat it. samples.window_bars."),
    ] = None,
    engine: Annotated[Literal["native", "pyts"], typer.Option("--engine", help="Who draws.")] = "native",
    dtype: Annotated[Literal["float16", "float32"], typer.Option("--dtype", help="Of the files.")] = "float16",
    workers: Annotated[int, typer.Option("--workers", min=1, max=1024, help="Processes.")] = os.cpu_count() or 1,
    backend: Annotated[Literal["loky", "dask"], typer.Option("--backend", help="dask: over a cluster.")] = "loky",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler; none starts one.")
    ] = None,
    set_: options.Overrides = None,
) -> None:
    """Store the Gramian images of a config's training and validation samples.

    Not needed to train: networks make their images in the graph. A run that is broken off goes on where it stopped when
    the command is given again; `samples.images=FOLDER` then trains from the files.

    \b
    Examples:
      deepstack gaf configs/gaf_resnet18.yaml --data BNBUSDT-1m.csv --out images --window 15 --window 30 --window 60
      deepstack run configs/gaf_resnet18.yaml --data BNBUSDT-1m.csv --set samples.images=images --yes
    """
    check_folder(out)
    from deepstack.config.read import read_config
    from deepstack.pipeline.gaf import How, drawing_of
    from deepstack.pipeline.gaf import gaf as store_images
    from deepstack.pipeline.market import load_source

    read = read_config(config, set_ or (), data or ())
    drawing_of(read)
    with show_progress() as progress:
        source = load_source(read, progress)
        bars = tuple(windows or (read.samples.window_bars,))
        how = How(engine, dtype, workers, backend, scheduler)
        folders = store_images(source.market, read, bars, out, how, progress)
    for folder in folders:
        print(folder)
