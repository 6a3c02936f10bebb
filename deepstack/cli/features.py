"""`deepstack features`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_output, write_features
from deepstack.cli.progress import show_progress
from deepstack.config.read import read_config


def features(
    data: options.RequiredData,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.parquet", help="Table to write.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="CONFIG", help="Take the sections data and features from this config."),
    ] = None,
    repair: options.Repair = None,
) -> None:
    """Compute a feature table.

    One row a bar and symbol: `close_time`, `symbol`, then the features as float32; the warm-up is cut.

    \b
    Examples:
      deepstack features --data candles/ --out features.parquet
      deepstack features --data BTCUSDT-1m.csv.gz --config configs/smoke.yaml --out features.parquet
    """
    check_output(out, (".parquet",))
    settings = read_config(config)
    from deepstack.features.table import make_table

    with show_progress() as progress:
        market = candles.read(data, settings.data, repair, progress)
        table = make_table(market, settings.features, progress=partial(progress, "features"))
    write_features(table, out)
    print(f"{len(table)} rows, {len(table.names)} features: {out}")
