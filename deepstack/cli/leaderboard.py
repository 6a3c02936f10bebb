"""`deepstack leaderboard`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deepstack.cli import options
from deepstack.cli.output import check_folder
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import
from deepstack.config.folds import FoldsConfig
from deepstack.config.read import read_config
from deepstack.errors import DeepstackError


def leaderboard(
    configs: Annotated[
        list[Path], typer.Argument(metavar="CONFIG...", help="YAML files, one a model; the first brings the baselines.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the study; run again to go on in it.")],
    data: options.Data = None,
    set_: options.Overrides = None,
    scheme: Annotated[
        Literal["expanding", "rolling", "combinatorial"], typer.Option("--scheme", help="How folds follow each other.")
    ] = "expanding",
    folds: Annotated[int, typer.Option("--folds", min=1, max=100, help="Walk-forward folds.")] = 3,
    groups: Annotated[int, typer.Option("--groups", min=3, max=20, help="combinatorial: stretches of time.")] = 6,
    test_groups: Annotated[
        int, typer.Option("--test-groups", min=1, max=10, help="combinatorial: tested at once.")
    ] = 2,
    seeds: Annotated[str, typer.Option("--seeds", help="By comma; one training each.")] = "7",
    workers: Annotated[int, typer.Option("--workers", min=1, max=1024, help="Models fitted at a time.")] = 1,
    backend: Annotated[
        Literal["loky", "dask", "ray"], typer.Option("--backend", help="Where several workers run.")
    ] = "loky",
    artifacts: options.Artifacts = Path("artifacts"),
) -> None:
    """Judge many models on the same folds.

    All are trained on every fold and seed, with ensembles of them and the baselines beside them. Fits are kept in
    DIR/fits and not made again. Writes leaderboard.html, .csv, .json and a plot, and prints the table.

    \b
    Examples:
      deepstack leaderboard configs/lstm.yaml configs/tcn.yaml --data candles/ --out boards/btc
      deepstack leaderboard configs/*.yaml --data candles/ --scheme rolling --folds 5 --seeds 1,2,3 --out boards/all
      deepstack leaderboard configs/gru.yaml --set training.epochs=2 --workers 4 --backend dask --out boards/gru
    """
    settings = [read_config(path, set_ or (), data or ()) for path in configs]
    if scheme == "combinatorial" and test_groups > groups - 2:
        raise DeepstackError(
            f"--test-groups {test_groups}",
            expected=f"at most {groups - 2} of {groups} groups, one to train and one to validate on",
            received=str(test_groups),
            remedy="more --groups",
        )
    spec = FoldsConfig(scheme=scheme, count=folds, groups=groups, test_groups=test_groups)
    check_folder(out)
    check_folder(artifacts, "--artifacts")
    with quiet_import():
        from deepstack.studies.leaderboard import leaderboard as run_leaderboard
        from deepstack.studies.page import NOTE, markdown_lines, summary_lines

    with show_progress() as progress:
        found = run_leaderboard(
            settings,
            out,
            folds=spec,
            seeds=_numbers(seeds),
            workers=workers,
            backend=backend,
            artifacts=artifacts,
            progress=progress,
        )
    print("\n".join([*summary_lines(found), "", *markdown_lines(found), "", NOTE]))
    print(f"leaderboard: {out / 'leaderboard.html'}")


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) < 2**31 for part in parts) or len(set(parts)) < len(parts):
        raise DeepstackError(
            f"--seeds {text}", expected="different whole numbers by comma", received=repr(text), remedy="--seeds 1,2,3"
        )
    return tuple(map(int, parts))
