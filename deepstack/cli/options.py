"""The options several commands share, spelled once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; configs/ holds one for each experiment.")]
ArtifactFolder = Annotated[Path, typer.Argument(metavar="ARTIFACT", help="Folder of a finished run.")]
Data = Annotated[
    list[Path] | None,
    typer.Option("--data", metavar="PATH", help="Candle file or folder; repeat it for several. Replaces data.paths."),
]
RequiredData = Annotated[
    list[Path],
    typer.Option("--data", metavar="PATH", help="Candle file or folder; repeat it for several."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Set one config key, as in training.epochs=3; repeat it for several."
    ),
]
Repair = Annotated[
    Literal["strict", "sort", "drop"] | None,
    typer.Option("--repair", help="What may be done to defective rows; docs/config.md, data.repair."),
]
Artifacts = Annotated[
    Path,
    typer.Option("--artifacts", metavar="DIR", help="Folder of finished runs, whose ledger counts what is tried."),
]
