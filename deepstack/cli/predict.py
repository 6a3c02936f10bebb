"""`deepstack predict`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_output, write_table, write_tables
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import


def predict(
    artifact: options.ArtifactFolder,
    data: options.RequiredData,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Table to write: .csv or .parquet.")],
    mc_passes: Annotated[
        int, typer.Option("--mc-passes", min=0, max=10_000, help="Passes with dropout on; adds the column epistemic.")
    ] = 0,
    chunk_bars: Annotated[
        int | None,
        typer.Option("--chunk-bars", min=1, help="Work on so many bars at a time: years of candles in little memory."),
    ] = None,
    repair: options.Repair = None,
) -> None:
    """Answer at every decision in candles.

    One row a decision and horizon: probabilities, prediction, confidence, uncertainty where the artifact knows it, the
    decision at its threshold and a position size. `prediction` is the likeliest class; `decision` follows
    |P(buy) - P(sell)|, or P(won), against the threshold, so they may differ.

    \b
    Examples:
      deepstack predict artifacts/my_run --data candles/ --out signals.csv
      deepstack predict artifacts/my_run --data BTCUSDT-1h.csv --out signals.parquet
      deepstack predict artifacts/my_run --data BTCUSDT-1h.csv --out signals.csv --mc-passes 30
      deepstack predict artifacts/my_run --data candles/ --out signals.parquet --chunk-bars 50000
    """
    check_output(out, (".csv", ".parquet"))
    from deepstack.artifact.load import open_artifact
    from deepstack.cli.warn import warn_if_unprofitable

    opened = open_artifact(artifact)
    with quiet_import():
        from deepstack.pipeline.predict import Predictor
        from deepstack.pipeline.predict_chunks import predict_chunks
        from deepstack.streaming.tally import Tally

    with show_progress() as progress:
        market = candles.read(data, opened.config.data, repair, progress)
        tally, predictor = Tally(), Predictor(opened)
        if chunk_bars is None:
            whole = map(partial(predictor.predict_and_count, mc_passes=mc_passes), [market])
            ((table, unseen),) = tally.timed(whole)
            write_table(table, out)
            rows = len(table)
        else:
            chunks = predict_chunks(predictor, market, chunk_bars=chunk_bars, mc_passes=mc_passes)
            rows, unseen = write_tables(tally.timed(chunks), out)
        print(f"one call: {tally.summary()['latency_ms']['p50']:g} ms" if chunk_bars is None else tally.line("chunks"))
    print(f"{rows:,} rows: {out}")
    warn_if_unprofitable(opened)
    if unseen:
        print(
            f"{unseen:,} more decisions lie in the features' warm-up or after a gap: no row; earlier candles may help"
        )
