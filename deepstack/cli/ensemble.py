"""`deepstack ensemble`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_folder
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import
from deepstack.errors import DeepstackError


def ensemble(
    artifacts: Annotated[list[Path], typer.Argument(metavar="ARTIFACT...", help="Folders of finished runs.")],
    data: options.RequiredData,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the report; it must not exist.")],
    method: Annotated[
        Literal["mean", "weighted", "voting", "weighted_voting", "stacking", "neural_stacking"],
        typer.Option("--method", help="What the verdict is about."),
    ] = "mean",
    repair: options.Repair = None,
) -> None:
    """Judge several finished models as one, beside each of them and boosted trees.

    The members were trained on these candles with the same labels and split; they are aligned on the decision time.
    Writes report.json, report.html and plots, with figures by market regime.

    \b
    Examples:
      deepstack ensemble artifacts/gaf_15 artifacts/gaf_30 artifacts/gaf_60 --data BNBUSDT-1m.csv --out gaf_together
      deepstack ensemble artifacts/lstm-* artifacts/tcn-* --data candles/ --method stacking --out together
    """
    if out.exists():
        raise DeepstackError(
            f"--out {out}", expected="a folder that does not exist", received="one that does", remedy="another name"
        )
    check_folder(out)
    if len(artifacts) < 2:
        raise DeepstackError(
            "ARTIFACT...", expected="two or more artifacts", received="one", remedy="naming the others too"
        )
    from deepstack.artifact.load import open_artifact

    opened = open_artifact(artifacts[0])
    with quiet_import():
        from deepstack.studies.together import ensemble as judge_together
    from deepstack.evaluation.table import compact_lines

    with show_progress() as progress:
        market = candles.read(data, opened.config.data, repair, progress)
        report = judge_together(artifacts, market, out, method=method, progress=progress)
    print("\n".join(compact_lines(report)))
    print(f"report: {out / 'report.html'}")
