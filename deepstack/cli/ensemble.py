"""`deepstack ensemble`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_folder
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import
from deepstack.errors import DeepstackError


class Classical(StrEnum):
    """Members that are no networks."""

    logistic = "logistic"
    random_forest = "random_forest"
    gradient_boosting = "gradient_boosting"
    xgboost = "xgboost"


def ensemble(
    artifacts: Annotated[list[Path], typer.Argument(metavar="ARTIFACT...", help="Folders of finished runs.")],
    data: options.RequiredData,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the report; it must not exist.")],
    method: Annotated[
        Literal["mean", "weighted", "voting", "weighted_voting", "stacking", "neural_stacking"],
        typer.Option("--method", help="What the verdict is about."),
    ] = "mean",
    classical: Annotated[
        list[Classical] | None,
        typer.Option("--classical", help="A member that is no network, fitted here; repeat it for several."),
    ] = None,
    repair: options.Repair = None,
) -> None:
    """Judge several finished models as one, beside each of them and boosted trees.

    The members were trained on these candles with the same labels and split; they are aligned on the decision time.
    Writes report.json, report.html and plots, with figures by market regime. Classical members are fitted on the same
    training samples; an ensemble with one of them is judged, but stands in no SavedModel.

    \b
    Examples:
      deepstack ensemble artifacts/gaf_15 artifacts/gaf_30 artifacts/gaf_60 --data BNBUSDT-1m.csv --out gaf_together
      deepstack ensemble artifacts/lstm-* artifacts/tcn-* --data candles/ --method stacking --out together
      deepstack ensemble artifacts/gru-* --classical random_forest --classical logistic --data candles/ --out mixed
    """
    if out.exists():
        raise DeepstackError(
            f"--out {out}", expected="a folder that does not exist", received="one that does", remedy="another name"
        )
    check_folder(out)
    if len(artifacts) + len(classical or ()) < 2:
        raise DeepstackError(
            "ARTIFACT...",
            expected="two or more members",
            received="one artifact",
            remedy="naming the others too, or --classical random_forest",
        )
    from deepstack.artifact.load import open_artifact

    opened = open_artifact(artifacts[0])
    with quiet_import():
        from deepstack.studies.together import ensemble as judge_together
    from deepstack.evaluation.table import compact_lines

    with show_progress() as progress:
        market = candles.read(data, opened.config.data, repair, progress)
        report = judge_together(
            artifacts, market, out, method=method, classical=[one.value for one in classical or ()], progress=progress
        )
    print("\n".join(compact_lines(report)))
    print(f"report: {out / 'report.html'}")
