"""`deepstack certify`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepstack.cli import options
from deepstack.cli.output import check_folder
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import
from deepstack.config.read import read_config


def certify(
    config: options.Config,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the study; run again to go on in it.")],
    data: options.Data = None,
    set_: options.Overrides = None,
    reruns: Annotated[int, typer.Option("--reruns", min=1, max=100_000, help="Of each world without an edge.")] = 39,
    minutes: Annotated[float, typer.Option("--minutes", min=0.0, help="After which no rerun is begun.")] = 60.0,
    workers: Annotated[int, typer.Option("--workers", min=1, max=1024, help="Reruns at a time.")] = 1,
    backend: Annotated[
        Literal["loky", "dask", "ray"], typer.Option("--backend", help="Where several workers run.")
    ] = "loky",
    artifacts: options.Artifacts = Path("artifacts"),
) -> None:
    """Show where the score lies among those of worlds without an edge.

    Reruns the whole pipeline on candles whose bars were turned upside down at random, and with the labels of another
    time. Prints how many of them the real score is above; writes certificate.json and certificate.png, which `deepstack
    run --certificate DIR` puts into its report.

    \b
    Examples:
      deepstack certify configs/ultimate.yaml --data candles/ --set training.epochs=2 --out nulls/ultimate
      deepstack certify configs/gru.yaml --data BTCUSDT-1m.csv.gz --reruns 99 --minutes 600 --workers 4 --out nulls/gru
    """
    settings = read_config(config, set_ or (), data or ())
    check_folder(out)
    check_folder(artifacts, "--artifacts")
    with quiet_import():
        from deepstack.evaluation.certificate import sentences
        from deepstack.studies.null_certificate import null_certificate

    with show_progress() as progress:
        report = null_certificate(
            settings,
            out,
            reruns=reruns,
            minutes=minutes,
            workers=workers,
            backend=backend,
            artifacts=artifacts,
            progress=progress,
        )
    print("\n".join(sentences(report)))
    print(f"certificate: {out / 'certificate.json'}")
