"""`deepstack predict`."""

from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_output, write_table
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import


def predict(
    artifact: options.ArtifactFolder,
    data: options.RequiredData,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Table to write: .csv or .parquet.")],
    repair: options.Repair = None,
) -> None:
    """Score the trades in candles.

    One row a candidate trade: its probability of winning and the decision of a finished artifact.

    \b
    Examples:
      deepstack predict artifacts/my_run --data candles/ --out signals.csv
      deepstack predict artifacts/my_run --data BTCUSDT-1h.csv --out signals.parquet
    """
    check_output(out, (".csv", ".parquet"))
    from deepstack.artifact.load import open_artifact

    opened = open_artifact(artifact)
    with quiet_import():
        from deepstack.pipeline.predict import predict_and_count

    with show_progress() as progress:
        market = candles.read(data, opened.config.data, repair, progress)
        table, in_warmup = predict_and_count(artifact, market)
    write_table(table, out)
    print(f"{len(table):,} rows: {out}")
    if in_warmup:
        print(f"{in_warmup:,} more breakouts lie in the features' warm-up: no row; earlier candles would cover it")
