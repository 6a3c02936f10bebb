"""`deepstack forecast`."""

from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_output, write_table
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import


def forecast(
    artifact: options.ArtifactFolder,
    data: options.RequiredData,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Quantiles as .csv or .parquet, or drawn as .png.")
    ],
    symbol: Annotated[str | None, typer.Option("--symbol", help="Whose bars; the first symbol's by default.")] = None,
    bars: Annotated[int, typer.Option("--bars", min=1, max=10_000, help="Bars to come.")] = 12,
    paths: Annotated[int, typer.Option("--paths", min=2, max=100_000, help="Paths that are sampled.")] = 256,
    repair: options.Repair = None,
) -> None:
    """Sample the next bars of a symbol.

    For a generative model (transformer_decoder): quantiles of the log return from the last close to each coming bar.

    \b
    Examples:
      deepstack forecast artifacts/my_run --data BTCUSDT-1m.csv.gz --out fan.png
      deepstack forecast artifacts/my_run --data candles/ --symbol ETHUSDT --bars 60 --out quantiles.csv
    """
    check_output(out, (".csv", ".parquet", ".png"))
    from deepstack.artifact.load import open_artifact

    opened = open_artifact(artifact)
    with quiet_import():
        from deepstack.artifact.atomic import write_atomic
        from deepstack.evaluation.explained import fan
        from deepstack.pipeline.forecast import forecast as forecast_bars
        from deepstack.pipeline.predict import Predictor

    with show_progress() as progress:
        market = candles.read(data, opened.config.data, repair, progress)
        foreseen = forecast_bars(Predictor(opened), market, symbol, bars=bars, paths=paths)
    quantiles = foreseen.quantiles()
    if out.suffix == ".png":
        write_atomic(out, fan(quantiles, foreseen.symbol, foreseen.decision_time).savefig)
    else:
        write_table(quantiles.reset_index(), out)
    print(f"{foreseen.symbol}, {bars} bars from {foreseen.decision_time:%Y-%m-%d %H:%M} UTC: {out}")
