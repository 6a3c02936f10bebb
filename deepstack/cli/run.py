"""`deepstack run`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli import options
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import
from deepstack.config.read import read_config
from deepstack.errors import DeepstackError


def run(
    config: options.Config,
    data: options.Data = None,
    set_: options.Overrides = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for artifacts.")] = Path("artifacts"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the newest unfinished run of this config.")
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="DIR", help="Study of `deepstack certify` to show in the report."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Begin without asking.")] = False,
) -> None:
    """Train, judge and export a network.

    From candles to a finished artifact. Prints the plan first and asks before it begins. Without --data and data.paths
    it uses the built-in synthetic market.

    \b
    Examples:
      deepstack run configs/smoke.yaml --yes
      deepstack run configs/ultimate.yaml --data candles/ --set training.epochs=3
      deepstack run configs/ultimate.yaml --data candles/ --resume --yes
    """
    settings = read_config(config, set_ or (), data or ())
    with quiet_import():
        from deepstack.pipeline.memory import require_memory
        from deepstack.pipeline.plan import plan
    if os.environ.get("TF_CONFIG"):
        from deepstack.training.strategy import make_strategy

        make_strategy(settings.training.strategy)  # it must come before any other operation, those of the plan too

    planned = plan(settings)
    for line in planned.lines():
        print(line)
    require_memory(max(planned.memory_mb, planned.features_mb))
    if not yes:
        _confirm()

    with quiet_import():
        from deepstack.pipeline.run import run as run_pipeline

    with show_progress() as progress:
        artifact = run_pipeline(settings, out=out, resume=resume, certificate=certificate, progress=progress)
    print(json.loads((artifact / "report.json").read_text(encoding="utf-8"))["verdict"])
    print(f"artifact: {artifact}")


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise DeepstackError(
            "confirmation",
            expected="a terminal to ask on",
            received="none",
            remedy="--yes to begin without being asked",
        )
    try:
        answer = input("Begin? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        print("Nothing was begun.", file=sys.stderr)
        raise typer.Exit(130)
