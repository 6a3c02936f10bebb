"""`deepstack explain`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_folder, write_table
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import


def explain(
    artifact: options.ArtifactFolder,
    data: options.RequiredData,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Gets the drawings, the arrays, the answers.")],
    last: Annotated[int, typer.Option("--last", min=1, help="So many of the newest decisions.")] = 50,
    repair: options.Repair = None,
) -> None:
    """Draw what a network looked at.

    Attention over time, gates and recalled episodes of the newest decisions, for the models that have them: one PNG
    each, the numbers behind them in arrays.npz, the answers in answers.csv.

    \b
    Examples:
      deepstack explain artifacts/my_run --data BTCUSDT-1m.csv.gz --out explained
      deepstack explain artifacts/my_run --data candles/ --out explained --last 200
    """
    check_folder(out)
    from deepstack.artifact.load import open_artifact

    opened = open_artifact(artifact)
    with quiet_import():
        import numpy as np

        from deepstack.artifact.atomic import write_atomic
        from deepstack.pipeline.explain import explain as explain_predictor
        from deepstack.pipeline.predict import Predictor

    with show_progress() as progress:
        market = candles.read(data, opened.config.data, repair, progress)
        explained = explain_predictor(Predictor(opened), market, last=last)
    out.mkdir(exist_ok=True)
    write_table(explained.answers, out / "answers.csv")
    arrays: Any = dict(explained.arrays)
    write_atomic(out / "arrays.npz", lambda part: np.savez_compressed(part, **arrays))
    for name, figure in explained.figures().items():
        write_atomic(out / f"{name}.png", figure.savefig)
        print(out / f"{name}.png")
